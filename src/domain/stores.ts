import type { Address } from './address.js';
import type { Revision, Route } from './route.js';

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
   * key), so that a writer that was frozen cannot publish what it saw before.
   * @throws PgcmError `in-doubt` when it is not known whether the write happened: read again
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
