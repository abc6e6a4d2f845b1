import type { Address } from './address.js';
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

/** The failover API of one Postgres node's supervise. Every call has its own deadline. */
export interface NodeApi {
  /** host:port, for messages. */
  readonly endpoint: string;
  healthCheck(timeout: Milliseconds, signal: AbortSignal): Promise<NodeHealth>;
  /** PAUSE on that node's bouncer: waits up to `timeout` for open transactions; lifted by itself after `expiry`. */
  pause(timeout: Milliseconds, expiry: Milliseconds, signal: AbortSignal): Promise<void>;
  /**
   * RESUME. With a target: once the bouncer leads to that address, and not before.
   * @throws PgcmError `refused` when it does not lead there in time; the pause then stays until its expiry
   */
  resume(target: Address | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void>;
  migrate(
    timeout: Milliseconds,
    signal: AbortSignal,
  ): Promise<{ readonly name: string; readonly address: Address }>;
  unmigrate(timeout: Milliseconds, signal: AbortSignal): Promise<void>;
  probe(timeout: Milliseconds, signal: AbortSignal): Promise<Probe>;
  close(): void;
}
