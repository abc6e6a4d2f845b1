import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, PlaygroundError } from '../errors.js';
import { runChecked } from '../exec.js';
import type { WorldStatus } from '../protocol.js';
import type { WorldConfig } from '../world-config.js';
import { Host } from './host.js';
import { makeSwitch } from './links.js';
import { PowerSwitch } from './power.js';

/** All hosts of a playground, and what they share. Lives inside the world's namespaces. */
export class World {
  readonly power: PowerSwitch;
  private readonly hosts: ReadonlyMap<string, Host>;
  private phase: Pick<WorldStatus, 'phase' | 'error'> = { phase: 'preparing' };

  constructor(private readonly config: WorldConfig) {
    this.hosts = new Map(config.hosts.map((plan) => [plan.name, new Host(plan, config)]));
    this.power = new PowerSwitch(this.hosts);
  }

  /** Make disks, network and power switch, and switch every host on. A failure is kept for status(). */
  async prepare(): Promise<void> {
    try {
      await this.mountDisks();
      await makeSwitch();
      await this.power.listen(this.config.powerSocket);
      await Promise.all([...this.hosts.values()].map((host) => host.start()));
      this.phase = { phase: 'ready' };
    } catch (error) {
      this.phase = { phase: 'failed', error: messageOf(error) };
      throw error;
    }
  }

  host(name: string): Host {
    const host = this.hosts.get(name);
    if (host === undefined) {
      throw new PlaygroundError(`no host '${name}'; there are ${[...this.hosts.keys()].join(', ')}`);
    }
    return host;
  }

  status(): WorldStatus {
    return {
      name: this.config.name,
      since: this.config.since,
      ...this.phase,
      fencingWorks: this.power.works,
      fencingRefused: this.power.refused,
      hosts: [...this.hosts.values()].map((host) => host.status()),
    };
  }

  private async mountDisks(): Promise<void> {
    const { world, layer, layerWork, powerSocket } = this.config;
    await this.mount('tmpfs', 'mode=0755', world);
    const layerRoot = join(world, 'layer');
    for (const folder of [layerRoot, dirname(powerSocket)]) mkdirSync(folder);
    // An overlay with this upper may be mounted by another playground too. Nobody writes to it, which
    // makes that harmless; `index` would refuse it. Only as an upper can the cache lie inside the lower.
    const options = `lowerdir=/,upperdir=${join(layer, 'upper')},workdir=${layerWork},index=off`;
    await this.mount('overlay', options, layerRoot);
    for (const host of this.hosts.values()) await host.makeDisk(layerRoot);
  }

  private async mount(type: string, options: string, target: string): Promise<void> {
    await runChecked('mount', ['-t', type, '-o', options, 'playground', target], { timeoutMs: 10_000 });
  }
}
