import type { Revision } from './route.js';

/**
 * On whose behalf something is done: a switchover, and the revision of the lock that it held when it
 * asked. Whoever acts on it first looks whether that lock is still held: a run that was frozen and has
 * lost its lock asks, without knowing, for what another run may be undoing.
 */
export interface Mandate {
  /** The switchover's id, a UUID: also part of the names that it leaves in other programs. */
  readonly switchover: string;
  /** The create revision of the lock's key. */
  readonly lockRevision: Revision;
  /** This run was told to leave its old primary as it is: nobody brings that back in its place. */
  readonly noRejoin?: true;
}

/** Checks mandates against the lock in etcd, by linearizable reads. */
export interface MandateCheck {
  /**
   * Returns when the mandate's lock is held now. Without a mandate (a pgsql-cluster-manager's request
   * has none): when no pgcm switchover holds the lock.
   * @throws PgcmError `lock-lost` when it is not, naming who holds it; `unavailable`, `timed-out`
   */
  verify(mandate: Mandate | undefined, signal: AbortSignal): Promise<void>;
}
