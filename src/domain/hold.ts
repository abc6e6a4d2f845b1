import type { Milliseconds } from './time.js';

/**
 * A proxy's own decision to let clients wait while the route that they follow takes no writes.
 *
 *     none   it takes writes, as far as is known
 *     held   a probe said that it does not, and clients wait for another route, or for it to come back
 *     over   they waited for hold-timeout: they run, and meet PgBouncer's errors until the route takes writes
 */
export type HoldState =
  | { readonly kind: 'none' }
  | { readonly kind: 'held'; readonly since: Milliseconds; readonly why: string }
  | { readonly kind: 'over'; readonly since: Milliseconds; readonly why: string };
