import type { Etcd } from '../../src/etcd/client.js';
import { keys } from '../../src/etcd/keys.js';
import type { KeyValue } from '../../src/etcd/kv.js';
import { follow } from '../../src/etcd/watch.js';
import type { Log } from '../../src/domain/log.js';
import { proxyState } from '../../src/records/proxy-state.js';
import { Latest } from '../../src/runtime/latest.js';
import { machineClock } from '../clock.js';
import type { Sighting } from '../route-figures.js';

const followed = { pollInterval: 60_000, getTimeout: 3_000 };

/** What the proxies say in etcd about their routes, as somebody sees it who waits for all of them. */
export class Acknowledgements {
  readonly sightings: Sighting[] = [];
  /** The newest revision of each proxy. */
  readonly #newest = new Map<string, number>();
  readonly #seen = new Map<string, bigint>();
  readonly #news = new Latest(0);

  async run(etcd: Etcd, log: Log, signal: AbortSignal): Promise<void> {
    const range = { prefix: keys.proxies };
    await follow(etcd, { ...followed, range, log }, ({ kvs }) => this.#see(kvs), signal);
  }

  /** Until all of these acknowledge this revision, or a newer one. @returns those that do not within the time */
  async reached(
    proxies: readonly string[],
    revision: number,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const deadline = machineClock() + withinMs;
    for (;;) {
      const missing = proxies.filter((proxy) => (this.#newest.get(proxy) ?? 0) < revision);
      const left = deadline - machineClock();
      if (missing.length === 0 || left <= 0) return missing;
      if ((await this.#news.changed(left, signal)) === 'aborted') return missing;
    }
  }

  #see(kvs: readonly KeyValue[]): void {
    const at = machineClock();
    for (const { key, value, modRevision } of kvs) {
      if (this.#seen.get(key) === modRevision) continue;
      this.#seen.set(key, modRevision);
      const { id, route } = proxyState.parse(value, key);
      if (route === undefined) continue;
      const revision = Number(route.revision);
      // Written again for another reason.
      if (this.#newest.get(id) === revision) continue;
      this.#newest.set(id, revision);
      this.sightings.push({ proxy: id, revision, at });
    }
    this.#news.set(this.#news.value + 1);
  }
}
