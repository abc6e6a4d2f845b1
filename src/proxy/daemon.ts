import type { Address } from '../domain/address.js';
import type { Bouncer } from '../domain/bouncer.js';
import type { BouncerConfig } from '../domain/bouncer-config.js';
import type { Log } from '../domain/log.js';
import type { Output } from '../domain/output.js';
import type { LifeProbe, RouteProbe } from '../domain/route-probe.js';
import type { PauseRequests, Registration, RouteStore, TopologyStore } from '../domain/stores.js';
import type { ProxyState, PublishedTopology } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { PauseKeeper } from '../pausing/pause-keeper.js';
import { sleep } from '../runtime/deadline.js';
import type { Latest } from '../runtime/latest.js';
import type { Service } from '../runtime/service-group.js';
import { ProxyControl } from './control.js';
import { OutputKeeper, type OutputState } from './output-keeper.js';
import { createProxy, type RouteProxy } from './proxy.js';
import { Registrar } from './registrar.js';
import { HoldWatch } from './hold-watch.js';
import { RequestObeyer } from './request-obeyer.js';
import { RouteViews, type ReplicaRules } from './route-views.js';
import { isLost, Suspicion } from './suspicion.js';
import { TopologyFeed } from './topology-feed.js';

export interface ProxyParts {
  readonly identity: Pick<ProxyState, 'id' | 'host' | 'instance' | 'version'>;
  readonly routes: RouteStore;
  readonly topologies: Pick<TopologyStore, 'follow'>;
  readonly requests: PauseRequests;
  readonly registration: Registration<ProxyState>;
  readonly bouncers: readonly Bouncer[];
  readonly config: BouncerConfig;
  readonly replicas: ReplicaRules;
  /** Files of other programs that follow the route, too. */
  readonly outputs: readonly Output[];
  readonly probe: RouteProbe | undefined;
  readonly hold: HoldParts;
  readonly log: Log;
  /** pgbouncer-timeout */
  readonly timeout: Milliseconds;
  /** pgbouncer-retry-interval */
  readonly retryInterval: Milliseconds;
  /** How long a pause that an earlier life left is kept while no request can be read (etcd-get-timeout). */
  readonly firstReadTimeout: Milliseconds;
  /** As for createProxy. */
  readonly lookInterval?: Milliseconds | undefined;
  readonly onTurn?: (() => void) | undefined;
}

/** When clients are held because the primary is gone. */
export interface HoldParts {
  readonly probe: LifeProbe;
  /** probe-interval */
  readonly interval: Milliseconds;
  /** hold-timeout */
  readonly timeout: Milliseconds;
  /** Ends what hangs on a host. Never rejects. */
  readonly cut: (address: Address, signal: AbortSignal) => Promise<void>;
}

/** The proxy without its socket: the one owner of its PgBouncers. */
export interface ProxyDaemon {
  readonly services: readonly Service[];
  readonly control: ProxyControl;
  readonly proxy: RouteProxy;
  readonly keeper: PauseKeeper;
  readonly hold: HoldWatch;
  /** The cluster as it was published last; undefined before the first. */
  readonly topology: Latest<PublishedTopology | undefined>;
  /** How each output is. */
  readonly outputs: readonly Latest<OutputState>[];
}

/** For each console's answer to a health check: within the patience of who asks. */
const HEALTH_TIMEOUT: Milliseconds = 1_500;

export function proxyDaemon(parts: ProxyParts): ProxyDaemon {
  const { bouncers, config, log, timeout, routes, retryInterval } = parts;
  const keeper: PauseKeeper = new PauseKeeper({
    bouncers,
    timeout,
    log,
    scope: () => config.follows,
    mayLift: async (signal) => {
      await Promise.race([requests.ready, sleep(parts.firstReadTimeout, signal)]);
      return true;
    },
  });
  const feed = new TopologyFeed(parts.topologies, log);
  const views = new RouteViews(feed.latest, parts.replicas, log);
  const proxy = createProxy({
    routes,
    bouncers,
    config,
    views,
    log,
    retryInterval,
    lookInterval: parts.lookInterval,
    onTurn: parts.onTurn,
    afterReload: (bouncer, signal) => keeper.afterReload(bouncer, signal),
  });
  const requests = new RequestObeyer({
    requests: parts.requests,
    keeper,
    verified: proxy.verified,
    probe: parts.probe,
    log,
  });
  const hold = new HoldWatch({
    ...parts.hold,
    verified: proxy.verified,
    keeper,
    pause: requests.pause,
    isLost: () => isLost(feed.latest.value),
    log,
  });
  const suspicion = new Suspicion({
    topology: feed.latest,
    bouncers,
    follows: () => config.follows,
    isHeld: () => keeper.paused,
    onSuspicion: () => hold.suspect(),
  });
  const registrar = new Registrar({
    registration: parts.registration,
    identity: parts.identity,
    routes: proxy,
    requests,
    keeper,
    hold: hold.state,
    bouncers,
    follows: () => config.follows,
    timeout,
  });
  const control = new ProxyControl({
    id: parts.identity.id,
    bouncers,
    keeper,
    primary: () => proxy.verified.value?.route.address,
    timeout: HEALTH_TIMEOUT,
  });
  const holding = parts.hold.timeout === 0 ? [] : [hold, suspicion];
  const outputs = parts.outputs.map(
    (output) => new OutputKeeper({ output, states: proxy.states, views, log }),
  );
  // The keeper first: what the others ask of it before it runs would be refused.
  return {
    services: [keeper, proxy, feed, requests, ...holding, registrar, ...outputs],
    control,
    proxy,
    keeper,
    hold,
    topology: feed.latest,
    outputs: outputs.map(({ state }) => state),
  };
}
