import type { Address } from '../../src/domain/address.js';
import { nextHealth } from '../../src/domain/replica-health.js';
import { routeView, type ReplicaFallback, type RouteView } from '../../src/domain/route-view.js';
import type { PublishedTopology } from '../../src/domain/switchover.js';

/** What templates know of a route to this address, with or without a topology. */
export function viewAt(
  host: string,
  topology?: PublishedTopology,
  fallback: ReplicaFallback = 'none',
): RouteView {
  const health = topology === undefined ? new Map() : nextHealth(topology, new Map(), 16 * 1_024 ** 2, 0);
  return routeView(host as Address, topology, health, fallback);
}

/** For a proxy: what templates know, for tests to change. */
export class FakeViews {
  topology: PublishedTopology | undefined;
  fallback: ReplicaFallback = 'none';

  of(host: Address): RouteView {
    return viewAt(host, this.topology, this.fallback);
  }
}
