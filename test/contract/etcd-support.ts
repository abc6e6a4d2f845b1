import { createEtcd, type Etcd, type EtcdOptions } from '../../src/etcd/client.js';
import { EtcdRouteStore } from '../../src/etcd/route-store.js';
import type { RouteReading, RouteStore } from '../../src/domain/stores.js';
import { FakeLog } from '../fakes/log.js';
import type { EtcdServers } from './etcd-server.js';

/** A signal that is never aborted: the calls' own deadlines are what ends them. */
export const forever = new AbortController().signal;

const opened: Etcd[] = [];

/** Closes every client of the test, also one that a failed test left behind. For `afterEach`. */
export function closeClients(): void {
  for (const etcd of opened.splice(0)) etcd.close();
}

export function connect(
  servers: Pick<EtcdServers, 'endpoints'>,
  options: Partial<EtcdOptions> = {},
  log = new FakeLog(),
): Etcd {
  const etcd = createEtcd(
    {
      endpoints: servers.endpoints,
      namespace: '',
      timeout: 3_000,
      dialTimeout: 3_000,
      keepAliveTime: 30_000,
      keepAliveTimeout: 5_000,
      ...options,
    },
    log,
  );
  opened.push(etcd);
  return etcd;
}

export function routesOf(etcd: Etcd, log = new FakeLog(), pollInterval = 60_000): EtcdRouteStore {
  return new EtcdRouteStore(etcd, { key: '/master', pollInterval, getTimeout: 5_000 }, log);
}

/** Follows a route in the background and keeps what was reported. */
export class Follow {
  readonly readings: RouteReading[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(routes: RouteStore) {
    this.#running = routes.follow((reading) => this.readings.push(reading), this.#stop.signal);
    // Under a test that failed, the client is closed first.
    this.#running.catch(() => undefined);
  }

  get last(): RouteReading | undefined {
    return this.readings.at(-1);
  }

  /** The address last reported. */
  get address(): string | undefined {
    return this.last?.kind === 'route' ? this.last.route.address : undefined;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
