import type { Topology } from './cluster.js';
import type { Milliseconds } from './time.js';

/** What a check finds on one node before anything is touched. Everything here is read only. */

/** A walsender of a primary, from pg_stat_replication. */
export interface WalSender {
  /** application_name; a standby's name in the cluster manager, where the site sets it so. */
  readonly name: string;
  readonly address: string | undefined;
  /** streaming, catchup, startup, backup, stopping */
  readonly state: string;
  readonly syncState: 'sync' | 'quorum' | 'potential' | 'async';
  /** Bytes of WAL that it has not flushed yet; undefined when it never said. */
  readonly lag: number | undefined;
  /** Why it is taken for stale: a fast stop waits for every walsender. Undefined for a live one. */
  readonly stale: string | undefined;
}

/** A transaction that is open on the primary: a pause waits for it. */
export interface OpenTransaction {
  readonly pid: number;
  readonly user: string;
  readonly database: string;
  readonly application: string;
  /** Where the client comes from; empty for a local one. */
  readonly address: string;
  readonly age: Milliseconds;
  /** active, idle in transaction, ... */
  readonly state: string;
  /** Shortened. */
  readonly query: string;
}

/** What a node's own PostgreSQL says of itself. */
export interface PostgresInspection {
  /** Decimal text, as it passes 2^53. */
  readonly systemIdentifier: string;
  readonly inRecovery: boolean;
  readonly timeline: number;
  /** Of a standby: whether its WAL receiver is streaming. */
  readonly receiving: boolean;
  readonly senders: readonly WalSender[];
  /** Of client backends, oldest first. */
  readonly transactions: readonly OpenTransaction[];
}

/** Something in the cluster manager that forbids a move now. */
export interface Obstacle {
  readonly kind: 'maintenance' | 'failed-action' | 'pending-action' | 'preference' | 'ban' | 'unclean-node';
  /** What was found, in the cluster manager's words. */
  readonly text: string;
  /** What to run, or to wait for. */
  readonly wayOut: string;
}

export interface ManagerInspection {
  readonly topology: Topology;
  readonly obstacles: readonly Obstacle[];
  /** The ids of the switchovers whose move is still asked for (pgcm's own, see ClusterManager.move). */
  readonly moves: readonly string[];
}

/** One PgBouncer, as far as it matters for a pause. */
export interface BouncerInspection {
  readonly name: string;
  /** Why its console did not answer; empty when it did. */
  readonly error: string;
  /** The databases that lead to the primary in session pooling: a PAUSE waits for their clients to leave. */
  readonly sessionPooled: readonly string[];
  /** query_wait_timeout; 0: none; undefined: not known. */
  readonly queryWaitTimeout: Milliseconds | undefined;
}

export interface NodeInspection {
  /** The node's name in the cluster manager. */
  readonly node: string;
  /** The id of the pgcm proxy that owns this node's PgBouncers; empty when none answers. */
  readonly proxy: string;
  readonly manager: ManagerInspection | undefined;
  readonly postgres: PostgresInspection | undefined;
  readonly bouncers: readonly BouncerInspection[];
  /** What could not be found out, in words. */
  readonly problems: readonly string[];
}
