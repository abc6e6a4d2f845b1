import { setTimeout as delay } from 'node:timers/promises';
import { parseAddress } from '../../src/domain/address.js';
import type { Etcd } from '../../src/etcd/client.js';
import type { EtcdRouteStore } from '../../src/etcd/route-store.js';
import type { EtcdMember, EtcdServers } from '../../test/contract/etcd-server.js';
import { machineClock } from '../clock.js';
import type { EtcdRole } from '../records.js';
import type { Put } from '../route-figures.js';
import type { Acknowledgements } from './acknowledgements.js';

/** A proxy that has neither applied a route after this long, nor a newer one, has missed it. */
export const limitMs = 10_000;
/** Between two puts, from the last acknowledgement on. */
const restMs = 300;
/** So many at once, at the end. */
const burst = 5;

export interface RoutePutsParts {
  readonly servers: EtcdServers;
  readonly kill: EtcdRole;
  readonly etcd: Etcd;
  readonly routes: EtcdRouteStore;
  readonly acknowledgements: Acknowledgements;
  readonly proxies: readonly string[];
  /** Seconds of processor time that the proxies have used so far. */
  readonly cpu: () => number;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Puts one route after the other; a member of etcd is killed and started again meanwhile. */
export class RoutePuts {
  readonly puts: Put[] = [];
  readonly #parts: RoutePutsParts;
  #count = 0;

  constructor(parts: RoutePutsParts) {
    this.#parts = parts;
  }

  async run(count: number): Promise<void> {
    const { servers, kill, cpu, print } = this.#parts;
    const [killAt, startAt] = [Math.floor(count / 3), Math.floor((2 * count) / 3)];
    let killed: EtcdMember | undefined;
    for (let number = 0; number < count; number++) {
      if (number === killAt) {
        killed = await servers[kill]();
        await killed.kill();
        print(`put ${number + 1}: a ${kill} of etcd was killed just now`);
      }
      if (number === startAt) {
        killed?.start();
        print(`put ${number + 1}: the member was started again just now`);
      }
      const used = cpu();
      await this.#one(false);
      await this.#allAcknowledge();
      print(`put ${number + 1}: ${this.#took()}, ${Math.round((cpu() - used) * 1_000)} ms of processor time`);
      await delay(restMs);
    }
    for (let number = 0; number < burst; number++) await this.#one(true);
    await this.#allAcknowledge();
  }

  async #one(inBurst: boolean): Promise<void> {
    const { etcd, routes, signal } = this.#parts;
    // What etcd itself needs to come to a leader is not what is measured.
    const now = await this.#answered(() => routes.read(signal));
    const expected = now.kind === 'missing' ? 0n : now.kind === 'bad' ? now.revision : now.route.revision;
    this.#count += 1;
    const address = parseAddress(`10.1.${Math.floor(this.#count / 250)}.${(this.#count % 250) + 1}`);
    const at = machineClock();
    const outcome = await routes.publish(address, expected, signal);
    if (outcome.kind !== 'published') throw new Error(`${etcd.name}: somebody else wrote the route`);
    this.puts.push({ revision: Number(outcome.revision), at, inBurst });
  }

  async #answered<T>(ask: () => Promise<T>): Promise<T> {
    const deadline = machineClock() + limitMs;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (machineClock() > deadline || this.#parts.signal.aborted) throw error;
        await delay(20);
      }
    }
  }

  #took(): string {
    const last = this.puts.at(-1);
    return `all acknowledged after ${Math.round(machineClock() - (last?.at ?? 0))} ms`;
  }

  async #allAcknowledge(): Promise<void> {
    const { acknowledgements, proxies, print, signal } = this.#parts;
    const last = this.puts.at(-1);
    if (last === undefined) return;
    const missing = await acknowledgements.reached(proxies, last.revision, limitMs, signal);
    if (missing.length > 0) {
      const some = missing.slice(0, 5).join(', ');
      print(`  ${missing.length} proxies did not acknowledge ${last.revision} in time: ${some}`);
    }
  }
}
