import type { Located } from '../domain/cluster.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Route } from '../domain/route.js';
import type { Milliseconds } from '../domain/time.js';
import { sleep } from '../runtime/deadline.js';
import { apiOf, planOf, type SwitchoverContext } from './context.js';

const PROBE_INTERVAL: Milliseconds = 10;
const PROBE_TIMEOUT: Milliseconds = 1_000;

/** Waits until the target is published, and says itself that it takes writes. @returns the new route */
export async function untilPrimary(
  context: SwitchoverContext,
  target: Located,
  signal: AbortSignal,
): Promise<Route> {
  const { routes, log } = context;
  log.info(
    events.clientsMigrate,
    { key: routes.key, target: target.name, address: target.address },
    'waiting for etcd to update with the primary',
  );
  void forewarn(context, target, signal);
  const route = await untilPublished(context, target, signal);
  // The proxies apply the route meanwhile, which takes longer than this.
  await untilTakesWrites(context, target, signal);
  return route;
}

/**
 * A standby that is asked whether it takes writes knows that it is about to be promoted, and its
 * supervise looks for that every few milliseconds. Without the hint it is noticed a little later.
 */
async function forewarn(context: SwitchoverContext, target: Located, signal: AbortSignal): Promise<void> {
  try {
    await apiOf(context, target.name)?.probe(PROBE_TIMEOUT, signal);
  } catch (error) {
    context.log.warn(events.clientsMigrate, { target: target.name, error: describeError(error) });
  }
}

async function untilPublished(
  { watched, routes, pausing }: SwitchoverContext,
  target: Located,
  signal: AbortSignal,
): Promise<Route> {
  if (watched === undefined) throw new PgcmError('internal', `${routes.key} is not watched`);
  const from = pausing?.from.address;
  return await watched.route.until((reading) => {
    if (reading.kind !== 'route') return undefined;
    const { address } = reading.route;
    if (address === target.address) return reading.route;
    if (from === undefined || address === from) return undefined;
    throw new PgcmError(
      'conflict',
      `${address} became primary in place of ${target.name} (${target.address})`,
    );
  }, signal);
}

/** The key alone proves nothing: the target itself is asked, through its supervise. */
async function untilTakesWrites(
  context: SwitchoverContext,
  target: Located,
  signal: AbortSignal,
): Promise<void> {
  const api = apiOf(context, target.name);
  const { timeline: old } = planOf(context);
  if (api === undefined) throw new PgcmError('unavailable', `no endpoint is of ${target.name}`);
  let said = 'no answer';
  while (!signal.aborted) {
    try {
      const { inRecovery, timeline, takesWrites } = await api.probe(PROBE_TIMEOUT, signal);
      if (takesWrites && !inRecovery && timeline > old) return;
      said = inRecovery
        ? 'it is in recovery'
        : takesWrites
          ? `it is on timeline ${timeline}, and was to leave ${old}`
          : 'it takes no writes yet';
    } catch (error) {
      if (hasCode(error, 'unsupported')) throw error;
      said = describeError(error);
    }
    await sleep(PROBE_INTERVAL, signal);
  }
  throw new PgcmError('timed-out', `${target.name} does not take writes: ${said}`);
}
