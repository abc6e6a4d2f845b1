/** What the replication manager needs of the PostgreSQL that it keeps the record for. */

/** What tells one history from another. */
export interface PrimaryIdentity {
  readonly inRecovery: boolean;
  /** Decimal text. */
  readonly system: string;
  /** The one that is written; 0 in recovery. */
  readonly timeline: number;
}

/** A walsender, as far as commits may wait for it. */
export interface Walsender {
  readonly pid: number;
  /** When it was started, opaque: with the pid it tells one from another. */
  readonly started: string;
  /** application_name: the standby's name in the cluster manager, if it says the truth. */
  readonly name: string;
  readonly address: string | undefined;
  /** The physical replication slot that it streams through. */
  readonly slot: string | undefined;
  /** streaming, catchup, startup, backup, stopping */
  readonly state: string;
  /**
   * sync_priority: its place in the list that *it* follows, which may be an older one; 0: it is not in that. Only one
   * that has a place ends the waits of commits.
   */
  readonly place: number;
  /** How far its standby has flushed; undefined: it never said. */
  readonly flushed: bigint | undefined;
  /** Of its standby's last word, opaque: whether it changes is what counts. */
  readonly reply: string;
}

export interface ReplicationLook {
  /** synchronous_standby_names as this session has it. */
  readonly names: string;
  /** How far this primary has flushed. */
  readonly flushed: bigint;
  /** wal_receiver_status_interval, which standbys are set to as well; 0: they say nothing by themselves. */
  readonly statusInterval: number;
  readonly walsenders: readonly Walsender[];
}

/**
 * A session with this node's PostgreSQL, and once it is locked the only one that changes synchronous_standby_names
 * there. Whatever fails with it, it is to be closed. Errors: `unavailable`, `timed-out`, `aborted`, `refused`.
 */
export interface ReplicationSession {
  readonly identity: PrimaryIdentity;
  /** PostgreSQL, or a successor, has ended it. */
  readonly ended: boolean;
  /** Takes the lock; a holder that does not let go of it for two seconds is ended. */
  lock(signal: AbortSignal): Promise<void>;
  look(signal: AbortSignal): Promise<ReplicationLook>;
  /** Returns when this session has seen the new setting; walsenders and checkpointer see it when they come to it. */
  setNames(names: string, signal: AbortSignal): Promise<void>;
  /** Which of these backends wait for synchronous replication now. */
  waiting(pids: readonly number[], signal: AbortSignal): Promise<ReadonlySet<number>>;
  /** Writes and flushes a record, and waits for nobody: every standby answers it. */
  writeRecord(signal: AbortSignal): Promise<void>;
  /** Ends a walsender. @returns whether it was still there */
  end(walsender: Walsender, signal: AbortSignal): Promise<boolean>;
  /** Ends the waits of backends of its own user; what they have committed stays. */
  cancel(pids: readonly number[], signal: AbortSignal): Promise<void>;
  close(): void;
}

/** A commit that is there to see whether commits wait. Its session asks for synchronous_commit, whatever is usual. */
export interface TestRow {
  readonly pid: number;
  /** It waits for nothing any more: it was acknowledged, or its session has ended. */
  readonly acknowledged: boolean;
  /** Writes and commits one; returns when the commit is on its way. Again only after it was acknowledged. */
  commit(signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface ReplicationControl {
  connect(signal: AbortSignal): Promise<ReplicationSession>;
  /** Over a connection that is opened for it: after the postmaster's death a session that lives on sees no walsenders. */
  lookAnew(signal: AbortSignal): Promise<ReplicationLook>;
  testRow(signal: AbortSignal): Promise<TestRow>;
}
