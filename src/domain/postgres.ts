import type { Probe } from './node-api.js';

export interface PostgresState {
  readonly inRecovery: boolean;
}

/** A node's own PostgreSQL. Errors: `unavailable`, `timed-out`, `aborted`. */
export interface Postgres {
  /** A cheap question, to be asked many times a second. */
  state(signal: AbortSignal): Promise<PostgresState>;
  probe(signal: AbortSignal): Promise<Probe>;
}
