import type { Address } from './address.js';

/** Asks the PostgreSQL at the route's address, as a client would. Errors: `unavailable`, `timed-out`, `aborted`. */
export interface RouteProbe {
  /** Whether it is not in recovery and gives out a transaction id. */
  takesWrites(address: Address, signal: AbortSignal): Promise<boolean>;
}
