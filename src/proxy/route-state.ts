import type { Route } from '../domain/route.js';
import type { Goal } from './follower.js';

/** A route that every bouncer was seen to lead to. */
export interface VerifiedRoute {
  readonly route: Route;
  /** RFC 3339; for people. */
  readonly at: string;
}

/**
 * What the proxy is doing about the newest route:
 *
 *     waiting --route--> applying --every bouncer leads there--> applied
 *                         ^    \--something failed--> failing --delay over--> applying
 *                         |                                                       |
 *                         +-- from any state: a newer route, a look that finds one astray, other standbys
 */
export type RouteState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'applying'; readonly route: Route; readonly attempt: number }
  | {
      readonly kind: 'failing';
      readonly route: Route;
      readonly attempt: number;
      readonly problems: readonly string[];
    }
  | { readonly kind: 'applied'; readonly route: Route; readonly goal: Goal };
