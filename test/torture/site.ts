import { setTimeout as delay } from 'node:timers/promises';
import { missingInCluster } from '../../playground/cluster.js';
import { messageOf } from '../../playground/errors.js';
import type { RunResult } from '../../playground/exec.js';
import type { HostStatus } from '../../playground/protocol.js';
import type { Cluster } from '../acceptance/cluster.js';
import { chosenBy } from './random.js';
import type { Writers } from './writers.js';

const quickMs = 8_000;

/** The cluster under torture, with who has which role in it by what the clients see. */
export class Site {
  /** Hosts that a fault holds off: whoever switches others on leaves them. */
  readonly held = new Set<string>();

  /** What was started beside the faults, and ends by itself. */
  readonly commands: Promise<void>[] = [];

  constructor(
    readonly cluster: Cluster,
    readonly writers: Writers,
    /** Something did not work that is no fault of the cluster's. */
    readonly complain: (what: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  async wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.signal });
  }

  hosts(): Promise<readonly HostStatus[]> {
    return this.cluster.playground.hosts();
  }

  /** The nodes that are on. */
  async nodes(): Promise<readonly string[]> {
    const hosts = await this.cluster.playground.hosts('postgres');
    return hosts.filter(({ power }) => power === 'on').map(({ name }) => name);
  }

  /** The node that acknowledged last, if it is on. */
  async primary(): Promise<string | undefined> {
    const address = this.writers.lastServer();
    const hosts = await this.hosts();
    return hosts.find((host) => host.address === address && host.power === 'on')?.name;
  }

  /** One that is not the primary. */
  async standby(draw: number): Promise<string | undefined> {
    const primary = await this.primary();
    return chosenBy(
      draw,
      (await this.nodes()).filter((name) => name !== primary),
    );
  }

  /** The primary more often than not: there is more to break. */
  async node(draw: number): Promise<string | undefined> {
    const primary = draw < 0.5 ? await this.primary() : undefined;
    return primary ?? chosenBy((2 * draw) % 1, await this.nodes());
  }

  /** A command in a host that may be frozen or off: what it says counts only if it comes. */
  async attempt(host: string, ...argv: string[]): Promise<RunResult> {
    try {
      return await this.cluster.playground.exec(host, argv, { timeoutMs: quickMs });
    } catch (error) {
      return { status: 255, stdout: '', stderr: messageOf(error) };
    }
  }

  /** @returns what is missing for the cluster to be healthy, as a sentence */
  async missing(): Promise<string | undefined> {
    const hosts = await this.hosts();
    const off = hosts.filter(({ power, cable }) => power !== 'on' || cable === 'cut');
    if (off.length > 0) return `${off.map(({ name }) => name).join(', ')} to be on and connected`;
    const missing = await missingInCluster(this.cluster.playground).catch(messageOf);
    if (missing !== undefined) return missing;
    const silent = this.writers.silent(2_000);
    return silent.length === 0 ? undefined : `clients to be answered (${silent.join(', ')} are not)`;
  }
}
