import type { Address } from '../domain/address.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import { nextHealth, type ReplicaHealth } from '../domain/replica-health.js';
import { routeView, type ReplicaFallback, type RouteView } from '../domain/route-view.js';
import type { PublishedTopology } from '../domain/switchover.js';
import { monotonic } from '../runtime/clock.js';
import type { Latest } from '../runtime/latest.js';
import { Complaints } from './complaints.js';

export interface ReplicaRules {
  /** max-replica-lag, in bytes. */
  readonly maxLag: number;
  /** replica-fallback */
  readonly fallback: ReplicaFallback;
}

/** What files are made of, now. Remembers which standbys were healthy, for the dead band. */
export class RouteViews {
  readonly #topology: Latest<PublishedTopology | undefined>;
  readonly #rules: ReplicaRules;
  readonly #log: Log;
  readonly #complaints = new Complaints();
  #health: ReplicaHealth = new Map();

  constructor(topology: Latest<PublishedTopology | undefined>, rules: ReplicaRules, log: Log) {
    this.#topology = topology;
    this.#rules = rules;
    this.#log = log;
  }

  /** With the primary at this address. */
  of(host: Address): RouteView {
    const topology = this.#topology.value;
    const { maxLag, fallback } = this.#rules;
    if (topology !== undefined) this.#health = nextHealth(topology, this.#health, maxLag, monotonic());
    const view = routeView(host, topology, this.#health, fallback);
    for (const error of view.refused) {
      if (this.#complaints.isNew('members', error)) {
        this.#log.warn(events.badValue, { error }, 'this member is left out of all files');
      }
    }
    return view;
  }
}
