import type { Address } from './address.js';
import type { Located } from './cluster.js';
import type { Milliseconds } from './time.js';

export interface PartHealth {
  /** pacemaker, pgbouncer, postgres, etcd */
  readonly part: string;
  readonly healthy: boolean;
  /** What is wrong; empty when healthy. */
  readonly message: string;
}

export interface NodeHealth {
  readonly healthy: boolean;
  /** The node's name in the cluster manager; empty when it is not known (or the server does not tell). */
  readonly node: string;
  readonly parts: readonly PartHealth[];
}

/** What a node's own PostgreSQL says of itself. */
export interface Probe {
  readonly inRecovery: boolean;
  readonly timeline: number;
  /** A transaction id was given out: it takes writes. */
  readonly takesWrites: boolean;
}

export interface PauseOrder {
  /** How long to wait for open transactions. */
  readonly timeout: Milliseconds;
  /** After this the pause is lifted by itself. `never` only where it was asked for explicitly. */
  readonly expiry: Milliseconds | 'never';
}

/** The failover API of one Postgres node, as its supervise implements it. */
export interface NodeService {
  healthCheck(signal: AbortSignal): Promise<NodeHealth>;
  pause(order: PauseOrder, signal: AbortSignal): Promise<void>;
  /** With a target: only once the bouncer leads to that address; `refused` when it does not within `timeout`. */
  resume(target: Address | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void>;
  migrate(signal: AbortSignal): Promise<Located>;
  unmigrate(signal: AbortSignal): Promise<void>;
  probe(signal: AbortSignal): Promise<Probe>;
}

/** The same API as the failover command reaches it. A call ends with its signal, or after `timeout`. */
export interface NodeApi {
  /** host:port, for messages. */
  readonly endpoint: string;
  healthCheck(timeout: Milliseconds, signal: AbortSignal): Promise<NodeHealth>;
  /** Has `order.timeout` to wait for transactions, and a little more to answer. */
  pause(order: PauseOrder, signal: AbortSignal): Promise<void>;
  resume(target: Address | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void>;
  migrate(timeout: Milliseconds, signal: AbortSignal): Promise<Located>;
  unmigrate(timeout: Milliseconds, signal: AbortSignal): Promise<void>;
  /** @throws PgcmError `unsupported` from a pgsql-cluster-manager's server, which has no such rpc */
  probe(timeout: Milliseconds, signal: AbortSignal): Promise<Probe>;
  close(): void;
}
