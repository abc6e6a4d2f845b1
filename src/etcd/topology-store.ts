import { describeError, hasCode } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import { refusalToPublish } from '../domain/publishing.js';
import type { Revision } from '../domain/route.js';
import type { RouteChange, TopologyOutcome, TopologyStore } from '../domain/stores.js';
import type { PublishedTopology } from '../domain/switchover.js';
import { topology } from '../records/topology.js';
import type { Etcd } from './client.js';
import { keys } from './keys.js';
import type { KeyValue, Txn } from './kv.js';
import type { FollowedStoreOptions } from './pause-requests.js';
import { follow } from './watch.js';

export interface TopologyStoreOptions extends FollowedStoreOptions {
  /** etcd-postgres-master-key, below the namespace. */
  readonly routeKey: string;
}

interface Known {
  readonly revision: Revision;
  readonly topology: PublishedTopology | undefined;
}

/** The published topology in etcd. */
export class EtcdTopologyStore implements TopologyStore {
  readonly #etcd: Etcd;
  readonly #options: TopologyStoreOptions;
  readonly #log: Log;
  /** What was last read, written or told by the watch. */
  #known: Known | undefined;

  constructor(etcd: Etcd, options: TopologyStoreOptions, log: Log) {
    this.#etcd = etcd;
    this.#options = options;
    this.#log = log.with({ key: keys.topology });
  }

  async read(signal: AbortSignal): Promise<PublishedTopology | undefined> {
    const kv = await this.#get(keys.topology, signal);
    return kv && topology.parse(kv.value, keys.topology);
  }

  async follow(
    onTopology: (topology: PublishedTopology | undefined) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let last: { readonly topology: PublishedTopology | undefined } | undefined;
    const { pollInterval, getTimeout } = this.#options;
    await follow(
      this.#etcd,
      { range: { key: keys.topology }, pollInterval, getTimeout, log: this.#log },
      ({ kvs }) => {
        const known = this.#understand(kvs[0]);
        // The watch may tell of a write of ours before its answer is there, or after a later one.
        if (known.revision === 0n || known.revision >= (this.#known?.revision ?? 0n)) this.#known = known;
        if (known.topology === undefined && last !== undefined && last.topology === undefined) return;
        last = { topology: known.topology };
        onTopology(known.topology);
      },
      signal,
    );
  }

  async publish(
    next: PublishedTopology,
    route: RouteChange | undefined,
    signal: AbortSignal,
  ): Promise<TopologyOutcome> {
    const value = Buffer.from(topology.serialise(next));
    for (let known = this.#known; ; known = undefined) {
      const before = known ?? (await this.#load(signal));
      const why = refusalToPublish(next, before.topology);
      // What is known may be out of date: somebody may have deleted the key, which is the way out.
      if (why !== undefined && known !== undefined) continue;
      if (why !== undefined) return { kind: 'refused', why };
      const txn = this.#txn(value, before.revision, route);
      const { succeeded, revision } = await this.#etcd.repeatableTxn(txn, signal);
      if (succeeded) {
        this.#known = { revision, topology: next };
        return { kind: 'published', revision };
      }
      const outcome = await this.#afterRefusal(value, before, route, signal);
      if (outcome !== undefined) return outcome;
    }
  }

  #txn(value: Buffer, expected: Revision, route: RouteChange | undefined): Txn {
    const { routeKey } = this.#options;
    const own = { key: keys.topology, modRevision: expected };
    const put = { put: keys.topology, value };
    if (route === undefined) return { compare: [own], then: [put] };
    return {
      compare: [{ key: routeKey, modRevision: route.expected }, own],
      then: [{ put: routeKey, value: route.address }, put],
    };
  }

  /** Whether an earlier try was applied, the route was changed, or (undefined) it has to be tried again. */
  async #afterRefusal(
    value: Buffer,
    before: Known,
    route: RouteChange | undefined,
    signal: AbortSignal,
  ): Promise<TopologyOutcome | undefined> {
    const kv = await this.#get(keys.topology, signal);
    this.#known = this.#understand(kv);
    const written = kv !== undefined && kv.modRevision !== before.revision && kv.value.equals(value);
    if (route === undefined) {
      return written ? { kind: 'published', revision: kv.modRevision } : undefined;
    }
    const routeKv = await this.#get(this.#options.routeKey, signal);
    // Both of one revision are of one transaction, and nobody else writes both as we do.
    if (
      written &&
      routeKv?.modRevision === kv.modRevision &&
      routeKv.value.equals(Buffer.from(route.address))
    ) {
      return { kind: 'published', revision: kv.modRevision };
    }
    return (routeKv?.modRevision ?? 0n) === route.expected ? undefined : { kind: 'changed' };
  }

  async #load(signal: AbortSignal): Promise<Known> {
    this.#known = this.#understand(await this.#get(keys.topology, signal));
    return this.#known;
  }

  async #get(key: string, signal: AbortSignal): Promise<KeyValue | undefined> {
    return (await this.#etcd.read({ key }, signal, this.#options.getTimeout)).kvs[0];
  }

  /** A value that is not understood can be written over like none. */
  #understand(kv: KeyValue | undefined): Known {
    if (kv === undefined) return { revision: 0n, topology: undefined };
    if (this.#known?.revision === kv.modRevision) return this.#known;
    try {
      return { revision: kv.modRevision, topology: topology.parse(kv.value, keys.topology) };
    } catch (error) {
      if (!hasCode(error, 'invalid-answer')) throw error;
      this.#log.warn(events.badValue, { error: describeError(error) }, 'taken for no topology');
      return { revision: kv.modRevision, topology: undefined };
    }
  }
}
