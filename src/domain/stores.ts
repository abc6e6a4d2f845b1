import type { Address } from './address.js';
import type { Revision, Route } from './route.js';
import type {
  NodeState,
  PauseRequest,
  ProxyState,
  PublishedTopology,
  SeenProxy,
  SwitchoverReport,
} from './switchover.js';

/** What stands under the key of the primary. A value that is no address is a finding, not an error. */
export type RouteReading =
  | { readonly kind: 'route'; readonly route: Route }
  | { readonly kind: 'missing'; readonly revision: 0n }
  | { readonly kind: 'bad'; readonly why: string; readonly revision: Revision };

/** The published route: one key whose value is the bare address of the primary. */
export interface RouteStore {
  /** The key, for messages. */
  readonly key: string;

  /** A linearizable read. @throws PgcmError `unavailable`, `timed-out`, `aborted` */
  read(signal: AbortSignal): Promise<RouteReading>;

  /**
   * Writes the address if the key still has the revision that the writer's view was read at (0n: no
   * key), so that a writer that was frozen cannot publish what it saw before. A try whose answer was lost
   * is recognised.
   * @throws PgcmError `unavailable`, `timed-out`, `aborted`: publish again with the same revision
   */
  publish(address: Address, expected: Revision, signal: AbortSignal): Promise<PublishOutcome>;

  /**
   * Reports the key's state at once, then on every change, until the signal is aborted: a watch, and
   * a linearizable read every poll interval and after any trouble of the watch. Readings that are not
   * newer than the last one reported are dropped. Never throws for trouble with etcd: it logs, and goes on.
   */
  follow(onReading: (reading: RouteReading) => void, signal: AbortSignal): Promise<void>;
}

export type PublishOutcome =
  | { readonly kind: 'published'; readonly revision: Revision }
  /** Somebody else wrote the key since: look again. */
  | { readonly kind: 'changed' };

/** Who runs a switchover, for those who find its lock held. JSON value of the lock's key. */
export interface LockHolder {
  /** The switchover's id. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** RFC 3339, the holder's wall clock: for people only, nothing is computed from it. */
  readonly since: string;
}

/** The lock under which switchovers exclude each other; also those of pgsql-cluster-manager. */
export interface FailoverLock {
  /**
   * Waits for the lock until the signal is aborted. A caller that stops waiting leaves nothing behind.
   * @throws PgcmError `lock-held` naming the holder when the signal ended the wait, `unavailable`
   */
  acquire(holder: LockHolder, signal: AbortSignal): Promise<HeldLock>;
}

export interface HeldLock {
  /** The create revision of the lock's key: a later holder's is larger. */
  readonly revision: Revision;
  /**
   * Aborted, with a `lock-lost` error as its reason, no later than the lease may have ended: counted on
   * this process's monotonic clock from before the last answered keep-alive was sent. Get it anew before
   * each act that needs the lock: that looks at the clock.
   */
  readonly lost: AbortSignal;
  /** Ends the lease and with it the lock. @throws PgcmError when etcd did not confirm it */
  release(signal: AbortSignal): Promise<void>;
}

/** A lock that is there, as somebody sees it who does not hold it. */
export interface FoundLock {
  /** Undefined: a holder that left no name, as pgsql-cluster-manager does not. */
  readonly holder: LockHolder | undefined;
  readonly revision: Revision;
  readonly key: string;
}

/** The lock as those see it who have to know whether a run is alive. */
export interface LockView {
  /** Who holds it now, by a linearizable read. */
  owner(signal: AbortSignal): Promise<FoundLock | undefined>;
  /**
   * Removes a lock whose holder is dead: it has no lease, or nobody renews its lease for half of its time
   * to live, which is how long the look takes then (5 s for a lock of ours); a holder that lives renews
   * it each third.
   * @returns `alive` when the lease was renewed meanwhile; nothing is removed then
   * @throws PgcmError when the signal was aborted before that was known
   */
  removeDead(lock: FoundLock, signal: AbortSignal): Promise<'removed' | 'gone' | 'alive'>;
}

/** The pause request of a switchover: one key, under the lock's lease. */
export interface PauseRequests {
  /** A linearizable read. What is there but not understood is an `invalid-answer`. */
  read(signal: AbortSignal): Promise<PauseRequest | undefined>;

  /**
   * Reports the request at once, then on every change (undefined: there is none); like RouteStore.follow.
   * A request that is not understood is logged and reported as none.
   */
  follow(onRequest: (request: PauseRequest | undefined) => void, signal: AbortSignal): Promise<void>;

  /**
   * Writes the request under the lock's lease, comparing the lock's key.
   * @returns etcd's revision of the write
   * @throws PgcmError `lock-lost` when the lock is not `held` any more
   */
  write(request: PauseRequest, held: HeldLock, signal: AbortSignal): Promise<Revision>;

  /** Deletes it, also a dead run's, comparing the lock's key; done also when there was none. @returns whether there was one */
  clear(held: HeldLock, signal: AbortSignal): Promise<boolean>;
}

/** The registered proxies, as a switchover and `status` see them. */
export interface ProxyRegistry {
  /** A linearizable read. Values that are not understood come as problems, never as nothing. */
  list(signal: AbortSignal): Promise<ProxyListing>;
  /** Like RouteStore.follow, with the whole list each time. */
  follow(onListing: (listing: ProxyListing) => void, signal: AbortSignal): Promise<void>;
  /** Every proxy that was ever here and was not forgotten, also those that are registered now. */
  seen(signal: AbortSignal): Promise<readonly SeenProxy[]>;
  /** Forgets a proxy that is not coming back. @returns whether it was known */
  forget(id: string, signal: AbortSignal): Promise<boolean>;
}

export interface ProxyListing {
  readonly proxies: readonly ProxyState[];
  /** One text for each value that is not understood. */
  readonly problems: readonly string[];
}

/**
 * A key that says what its writer is and does, under a lease of the writer's. Runs as a service: it
 * gets a new lease when one was lost, and writes the latest value for as long as it takes.
 */
export interface Registration<T> {
  readonly name: string;
  /** The newest state is written; states in between may never be. */
  set(state: T): void;
  /** Until the signal is aborted; then the lease is revoked and the key gone. Trouble is logged. */
  run(signal: AbortSignal): Promise<void>;
}

/** The cluster as supervise publishes it: one key, and with it the route where both change. */
export interface TopologyStore {
  /** A linearizable read. What is there but not understood is an `invalid-answer`. */
  read(signal: AbortSignal): Promise<PublishedTopology | undefined>;

  /**
   * Reports the topology at once, then on every change, like RouteStore.follow; undefined: there is none,
   * or it is not understood, which is logged. It also keeps `publish` to one round trip.
   */
  follow(onTopology: (topology: PublishedTopology | undefined) => void, signal: AbortSignal): Promise<void>;

  /**
   * Writes the topology, and the route if one is given, in one transaction: if the published topology is
   * not a newer one (see `refusalToPublish`), and the route's key still has the revision that is expected.
   * Never in doubt: a try whose answer was lost is recognised.
   * @throws PgcmError `unavailable`, `timed-out`, `aborted`
   */
  publish(
    topology: PublishedTopology,
    route: RouteChange | undefined,
    signal: AbortSignal,
  ): Promise<TopologyOutcome>;
}

export interface RouteChange {
  readonly address: Address;
  /** As for RouteStore.publish. */
  readonly expected: Revision;
}

export type TopologyOutcome =
  /** Its revision is the route's, too, when there was one. `changed`: the route's key was written since. */
  | PublishOutcome
  /** A newer topology is published; nothing was written. */
  | { readonly kind: 'refused'; readonly why: string };

export interface NodeRegistry {
  list(
    signal: AbortSignal,
  ): Promise<{ readonly nodes: readonly NodeState[]; readonly problems: readonly string[] }>;
}

/** What was added to the history. */
export interface HistoryNews {
  /** Oldest first. */
  readonly reports: readonly SwitchoverReport[];
  /** Where to go on from. */
  readonly revision: Revision;
}

/** The history, for those who follow it at leisure. */
export interface HistoryFeed {
  /** @param after what is newer than this; undefined: the newest report alone, if there is one */
  since(after: Revision | undefined, signal: AbortSignal): Promise<HistoryNews>;
}

/** The reports of finished switchovers, the newest 100. */
export interface HistoryStore {
  /** Also removes the oldest ones beyond the newest 100. */
  add(report: SwitchoverReport, signal: AbortSignal): Promise<void>;
  list(signal: AbortSignal): Promise<HistoryListing>;
}

export interface HistoryListing {
  /** Newest first. */
  readonly reports: readonly SwitchoverReport[];
  /** One text for each report that is not understood. */
  readonly problems: readonly string[];
}
