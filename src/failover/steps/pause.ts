import { PgcmError } from '../../domain/errors.js';
import { events } from '../../domain/events.js';
import type { NodeApi } from '../../domain/node-api.js';
import type { Route } from '../../domain/route.js';
import type { PauseRequest } from '../../domain/switchover.js';
import { monotonic } from '../../runtime/clock.js';
import { manyListeners, runWithDeadline } from '../../runtime/deadline.js';
import { untilProxiesPaused } from '../acknowledgements.js';
import { insist } from '../asking.js';
import { clearTheWay } from '../blockers.js';
import { planOf, type Pausing, type SwitchoverContext } from '../context.js';
import { valueOf } from '../facts.js';
import { PAUSE_GRACE, pauseNode } from '../pause-node.js';
import type { Step } from '../pipeline.js';
import { Watched } from '../watched.js';
import { release } from './release.js';

/**
 * Clients wait: every bouncer ends its open transactions and holds new statements. Those of the
 * registered proxies by the request in etcd, those of nodes without one by rpc.
 */
export const pause: Step<SwitchoverContext> = {
  name: 'pause',
  async run(context, signal) {
    openWatches(context);
    await clearTheWay(context, signal);
    const pausing = await prepare(context, signal);
    context.pausing = pausing;
    await runWithDeadline('pause', context.options.pauseTimeout + PAUSE_GRACE, signal, (on) =>
      pauseAll(context, pausing, on),
    );
  },
  undo: release,
};

/** Opening one takes two round trips: they are there when the way is clear, and before clients wait. */
function openWatches(context: SwitchoverContext): void {
  const { routes, proxies } = context;
  context.watched ??= {
    proxies: new Watched('the registered proxies', (on, end) => proxies.follow(on, end)),
    route: new Watched(routes.key, (on, end) => routes.follow(on, end)),
  };
}

/** Everything that can be known before clients wait: where they are led, who is asked how. */
async function prepare(context: SwitchoverContext, signal: AbortSignal): Promise<Pausing> {
  const { options, facts, watched } = context;
  if (watched === undefined) throw new PgcmError('internal', 'nothing is watched');
  const [listing, from] = await Promise.all([
    watched.proxies.first(options.etcdTimeout, signal),
    publishedRoute(context, signal),
  ]);
  const { exempt } = planOf(context);
  const ids = new Set(listing.proxies.map(({ id }) => id));
  const byRpc = (facts?.nodes ?? []).filter((node) => {
    const proxy = valueOf(node.inspection)?.proxy ?? '';
    return !ids.has(proxy) && !exempt.has(node.name);
  });
  return {
    since: monotonic(),
    from,
    byRpc: byRpc.map(({ api }) => api),
    proxies: new Set([...ids].filter((id) => !exempt.has(id))),
    until: undefined,
  };
}

async function pauseAll(context: SwitchoverContext, pausing: Pausing, signal: AbortSignal): Promise<void> {
  const { log } = context;
  log.info(
    events.clientsPause,
    { proxies: pausing.proxies.size, endpoints: pausing.byRpc.map(({ endpoint }) => endpoint) },
    'requesting all pgbouncers pause',
  );
  // The first failure ends it for all: nobody shall wait for a pause that does not come about.
  const stop = new AbortController();
  const on = manyListeners(AbortSignal.any([signal, stop.signal]));
  const works = [byRequest(context, on), ...pausing.byRpc.map((api) => byRpc(context, api, on))];
  const failed = Promise.all(works).catch((error: unknown) => {
    stop.abort(error);
    throw error;
  });
  // All of them are waited for, also when one fails: the release must not overtake a PAUSE under way.
  await Promise.allSettled(works);
  await failed;
}

async function byRequest(context: SwitchoverContext, signal: AbortSignal): Promise<void> {
  const { requests, holder, options, held, log } = context;
  if (held === undefined) throw new PgcmError('internal', 'a pause needs the lock');
  const startedAt = monotonic();
  const request: PauseRequest = {
    id: holder.id,
    phase: 'pause',
    release: undefined,
    duration: options.pauseExpiry,
    timeout: options.pauseTimeout,
  };
  await insist(signal, () => requests.write(request, held, signal));
  const paused = await untilProxiesPaused(context, signal);
  log.info(events.clientsPause, {
    proxies: paused.size,
    elapsed: Math.round(monotonic() - startedAt) / 1_000,
  });
}

async function byRpc(context: SwitchoverContext, api: NodeApi, signal: AbortSignal): Promise<void> {
  const { options, log } = context;
  const startedAt = monotonic();
  await pauseNode(context, api, options.pauseExpiry, signal);
  log.info(events.clientsPause, {
    endpoint: api.endpoint,
    elapsed: Math.round(monotonic() - startedAt) / 1_000,
  });
}

/** @throws PgcmError `refused` when no primary is published: it would not be known where clients are */
async function publishedRoute(
  { watched, routes, options }: SwitchoverContext,
  signal: AbortSignal,
): Promise<Route> {
  const reading = await watched?.route.first(options.etcdTimeout, signal);
  if (reading?.kind === 'route') return reading.route;
  const found = reading?.kind === 'bad' ? reading.why : 'it does not exist';
  throw new PgcmError(
    'refused',
    `${routes.key} in etcd names no primary (${found}): is supervise running on the primary's node? its log says what keeps it`,
  );
}
