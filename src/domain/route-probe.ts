import type { Address } from './address.js';

/** Asks the PostgreSQL at the route's address, as a client would. Errors: `unavailable`, `timed-out`, `aborted`. */
export interface RouteProbe {
  /** Whether it is not in recovery and gives out a transaction id. */
  takesWrites(address: Address, signal: AbortSignal): Promise<boolean>;
}

/**
 * What the PostgreSQL at an address answers to a login.
 *
 *     writes     it gives out a transaction id
 *     accepts    it lets clients log in; whether it takes writes was not asked, or could not be
 *     read-only  it is in recovery, or takes no writes for another reason
 *     rejects    it is starting up, shutting down or recovering from a crash
 *     gone       nothing listens there: refused, reset, unreachable
 *     silent     nothing at all, within the probe's time
 */
export type ProbeFinding =
  | { readonly kind: 'writes' }
  /** `trouble`: why whether it takes writes is not known, as an error in answer to the probe that is no sign of illness. */
  | { readonly kind: 'accepts'; readonly trouble?: string }
  | { readonly kind: 'read-only' | 'rejects' | 'gone' | 'silent'; readonly why: string };

/** Looks at the PostgreSQL at the route's address. */
export interface LifeProbe {
  /** @throws PgcmError `aborted` only: whatever else happens is a finding */
  find(address: Address, signal: AbortSignal): Promise<ProbeFinding>;
}
