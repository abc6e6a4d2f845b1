import { refusalToPublish } from '../../src/domain/publishing.js';
import type { RouteChange, TopologyOutcome, TopologyStore } from '../../src/domain/stores.js';
import type { PublishedTopology } from '../../src/domain/switchover.js';
import { Followers } from './followers.js';
import type { FakeRoutes } from './routes.js';

/** A topology of three members, for tests to change parts of. */
export function topologyOf(primary = 'pg01', parts: Partial<PublishedTopology> = {}): PublishedTopology {
  const names = ['pg01', 'pg02', 'pg03'] as const;
  const sync = names.find((name) => name !== primary);
  return {
    systemIdentifier: '7318294650912345678',
    timeline: 1,
    members: names.map((name) => ({
      name,
      address: `10.77.0.1${name.slice(-1)}`,
      role: name === primary ? 'primary' : 'standby',
      syncState: name === primary ? 'unknown' : name === sync ? 'sync' : 'async',
      lag: name === primary ? undefined : 0,
      up: true,
    })),
    primary: { state: 'up', name: primary, since: '2026-01-01T00:00:00Z' },
    ...parts,
  };
}

/** The published topology in memory, beside a route in memory. */
export class FakeTopologies implements TopologyStore {
  current: PublishedTopology | undefined;
  /** Set to make reads and writes fail. */
  failure: Error | undefined;
  readonly #routes: FakeRoutes;
  readonly #followers = new Followers<PublishedTopology | undefined>();
  #revision = 1_000n;

  constructor(routes: FakeRoutes) {
    this.#routes = routes;
  }

  /** Somebody else writes it. */
  put(topology: PublishedTopology | undefined): void {
    if (topology === undefined && this.current === undefined) return;
    this.current = topology;
    this.#followers.tell(topology);
  }

  read(): Promise<PublishedTopology | undefined> {
    return this.failure === undefined ? Promise.resolve(this.current) : Promise.reject(this.failure);
  }

  follow(onTopology: (topology: PublishedTopology | undefined) => void, signal: AbortSignal): Promise<void> {
    return this.#followers.follow(this.current, onTopology, signal);
  }

  async publish(next: PublishedTopology, route: RouteChange | undefined): Promise<TopologyOutcome> {
    if (this.failure !== undefined) throw this.failure;
    const why = refusalToPublish(next, this.current);
    if (why !== undefined) return { kind: 'refused', why };
    let revision = (this.#revision += 1n);
    if (route !== undefined) {
      const outcome = await this.#routes.publish(route.address, route.expected);
      if (outcome.kind === 'changed') return outcome;
      revision = outcome.revision;
    }
    this.put(next);
    return { kind: 'published', revision };
  }
}
