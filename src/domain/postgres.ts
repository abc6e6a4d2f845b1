import type { PostgresInspection, WalSender } from './inspection.js';
import type { Probe, Terminated } from './node-api.js';
import type { Milliseconds } from './time.js';

export interface PostgresState {
  readonly inRecovery: boolean;
}

/** How a standby keeps up, as it knows itself. */
export interface Replication {
  /** Its WAL receiver is streaming. */
  readonly receiving: boolean;
  /** Bytes of WAL between the end that the sender last told and what was replayed; undefined: not known yet. */
  readonly lag: number | undefined;
}

/** A node's own PostgreSQL. Errors: `unavailable`, `timed-out`, `aborted`. */
export interface Postgres {
  /** A cheap question, to be asked many times a second. */
  state(signal: AbortSignal): Promise<PostgresState>;
  probe(signal: AbortSignal): Promise<Probe>;
  /** Of a standby; a cheap question, to be asked more than once a second. `refused`: without the right to see it. */
  replication(signal: AbortSignal): Promise<Replication>;
  /** Its walsenders as it knows them now; a cheap question, and none is looked at for being stale. */
  senders(signal: AbortSignal): Promise<readonly WalSender[]>;
  inspect(signal: AbortSignal): Promise<PostgresInspection>;
  /** CHECKPOINT; may take long, so only the signal bounds it. */
  checkpoint(signal: AbortSignal): Promise<void>;
  /** Ends the backends of clients whose transaction is open for so long. */
  terminate(olderThan: Milliseconds, signal: AbortSignal): Promise<readonly Terminated[]>;
  /** SHOW data_directory. */
  dataDirectory(signal: AbortSignal): Promise<string>;
}

/** What a PostgreSQL's control file says, also of one that is not running. */
export interface ControlFile {
  /** Decimal text. */
  readonly systemIdentifier: string;
  /** `shut down`, `in production`, `in archive recovery`, ... as pg_controldata says. */
  readonly state: string;
  /** Of the latest checkpoint. */
  readonly timeline: number;
  /** Where the latest checkpoint's record begins: a WAL position. */
  readonly checkpoint: bigint;
}

/** Where one timeline left another, from a timeline history file. */
export interface TimelineSwitch {
  /** The parent, and the position up to which its WAL belongs to the child. */
  readonly timeline: number;
  readonly position: bigint;
}
