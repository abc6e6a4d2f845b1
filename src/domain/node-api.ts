import type { Address } from './address.js';
import type { Located } from './cluster.js';
import type { NodeInspection } from './inspection.js';
import type { Mandate } from './mandate.js';
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

export interface TerminateOrder {
  /** Transactions that are open for at least so long. */
  readonly olderThan: Milliseconds;
}

/** A backend that was ended because its transaction kept a pause waiting. */
export interface Terminated {
  readonly pid: number;
  readonly user: string;
  readonly age: Milliseconds;
}

/** To whom an old primary is to be a standby. */
export interface RejoinOrder {
  readonly primary: Located;
  /** How long it may take until it streams. */
  readonly timeout: Milliseconds;
}

export type RejoinOutcome =
  /** It is a standby and receives WAL; `already` when it was one before anything was done. */
  | { readonly kind: 'streaming'; readonly already: boolean }
  /** Its data may have diverged, or it could not be proven that it has not: nothing was done. */
  | { readonly kind: 'refused'; readonly why: string; readonly commands: readonly string[] };

/** The failover API of one Postgres node, as its supervise implements it. */
export interface NodeService {
  healthCheck(signal: AbortSignal): Promise<NodeHealth>;
  inspect(signal: AbortSignal): Promise<NodeInspection>;
  pause(order: PauseOrder, mandate: Mandate | undefined, signal: AbortSignal): Promise<void>;
  /** With a target: only once the bouncer leads to that address; `refused` when it does not within `timeout`. */
  resume(
    target: Address | undefined,
    timeout: Milliseconds,
    mandate: Mandate | undefined,
    signal: AbortSignal,
  ): Promise<void>;
  /** Without a member: to the synchronous standby. */
  migrate(member: string | undefined, mandate: Mandate | undefined, signal: AbortSignal): Promise<Located>;
  /** Takes back the mandate's move; without one every move of pgcm. */
  unmigrate(mandate: Mandate | undefined, signal: AbortSignal): Promise<void>;
  /** @param wait how long a node that is in recovery waits for its promotion before it answers */
  probe(wait: Milliseconds, signal: AbortSignal): Promise<Probe>;
  /** CHECKPOINT on this node's primary. */
  checkpoint(mandate: Mandate, signal: AbortSignal): Promise<void>;
  /** Ends the backends of transactions that are open for long. */
  terminate(order: TerminateOrder, mandate: Mandate, signal: AbortSignal): Promise<readonly Terminated[]>;
  /** Brings this node, an old primary, back as a standby if its control file proves that it did not diverge. */
  rejoin(order: RejoinOrder, mandate: Mandate, signal: AbortSignal): Promise<RejoinOutcome>;
}

/**
 * The same API as the failover command reaches it. A call ends with its signal, or after `timeout`.
 * From a pgsql-cluster-manager's server the rpcs that it has not fail with `unsupported`.
 */
export interface NodeApi {
  /** host:port, for messages. */
  readonly endpoint: string;
  healthCheck(timeout: Milliseconds, signal: AbortSignal): Promise<NodeHealth>;
  inspect(timeout: Milliseconds, signal: AbortSignal): Promise<NodeInspection>;
  /** Has `order.timeout` to wait for transactions, and a little more to answer. */
  pause(order: PauseOrder, mandate: Mandate | undefined, signal: AbortSignal): Promise<void>;
  resume(
    target: Address | undefined,
    timeout: Milliseconds,
    mandate: Mandate | undefined,
    signal: AbortSignal,
  ): Promise<void>;
  migrate(
    member: string | undefined,
    mandate: Mandate | undefined,
    timeout: Milliseconds,
    signal: AbortSignal,
  ): Promise<Located>;
  unmigrate(mandate: Mandate | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void>;
  /** Has `wait` for a promotion, and `timeout` more to answer. */
  probe(wait: Milliseconds, timeout: Milliseconds, signal: AbortSignal): Promise<Probe>;
  checkpoint(mandate: Mandate, timeout: Milliseconds, signal: AbortSignal): Promise<void>;
  terminate(
    order: TerminateOrder,
    mandate: Mandate,
    timeout: Milliseconds,
    signal: AbortSignal,
  ): Promise<readonly Terminated[]>;
  /** Has `order.timeout`, and a little more to answer. */
  rejoin(order: RejoinOrder, mandate: Mandate, signal: AbortSignal): Promise<RejoinOutcome>;
  close(): void;
}
