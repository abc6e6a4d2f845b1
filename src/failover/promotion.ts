import type { Located } from '../domain/cluster.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { NodeApi } from '../domain/node-api.js';
import type { Route } from '../domain/route.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { sleep, withEither } from '../runtime/deadline.js';
import { apiOf, planOf, type SwitchoverContext } from './context.js';

const PROBE_INTERVAL: Milliseconds = 10;
const PROBE_TIMEOUT: Milliseconds = 1_000;

/** Before the target is published it answers when it is promoted, or after this; and is asked again. */
const EARLY_WAIT: Milliseconds = 2_000;
const EARLY_INTERVAL: Milliseconds = 30;
/** What the target said of itself so long before it was published counts; its answer had a second at most to come. */
const FRESH: Milliseconds = 500;

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
  const published = new AbortController();
  const foresight = new Foresight(context, target);
  void withEither(signal, published.signal, (on) => foresight.run(on));
  try {
    const route = await untilPublished(context, target, signal);
    if (!foresight.isFresh) await untilTakesWrites(context, target, signal);
    return route;
  } finally {
    published.abort(new PgcmError('aborted', 'the target is published'));
  }
}

/**
 * Asks the target while it is promoted, so that its word is there when the route is: the proxies apply that
 * within milliseconds. It also tells its supervise that a promotion is to be expected, which then looks for
 * it as often as it can.
 */
class Foresight {
  readonly #context: SwitchoverContext;
  readonly #target: Located;
  #provenAt: Milliseconds | undefined;

  constructor(context: SwitchoverContext, target: Located) {
    this.#context = context;
    this.#target = target;
  }

  /** It said a moment ago that it takes writes. */
  get isFresh(): boolean {
    return this.#provenAt !== undefined && monotonic() - this.#provenAt <= FRESH;
  }

  /** Never throws: whether a failure matters shows when the target is published. */
  async run(signal: AbortSignal): Promise<void> {
    const told = new Set<string>();
    while (!signal.aborted) {
      try {
        const reason = await whyNot(
          this.#context,
          apiOfTarget(this.#context, this.#target),
          EARLY_WAIT,
          signal,
        );
        if (reason === undefined) this.#provenAt = monotonic();
      } catch (error) {
        if (!hasCode(error, 'aborted')) this.#tell(describeError(error), told);
      }
      await sleep(EARLY_INTERVAL, signal);
    }
  }

  #tell(error: string, told: Set<string>): void {
    if (told.has(error)) return;
    told.add(error);
    this.#context.log.warn(events.clientsMigrate, { target: this.#target.name, error });
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
  const api = apiOfTarget(context, target);
  let said = 'no answer';
  while (!signal.aborted) {
    try {
      const reason = await whyNot(context, api, 0, signal);
      if (reason === undefined) return;
      said = reason;
    } catch (error) {
      if (hasCode(error, 'unsupported')) throw error;
      said = describeError(error);
    }
    await sleep(PROBE_INTERVAL, signal);
  }
  throw new PgcmError('timed-out', `${target.name} does not take writes: ${said}`);
}

/** Asks the target once. @returns why clients cannot go on there yet; undefined when they can */
async function whyNot(
  context: SwitchoverContext,
  api: NodeApi,
  wait: Milliseconds,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { timeline: old } = planOf(context);
  const { inRecovery, timeline, takesWrites } = await api.probe(wait, PROBE_TIMEOUT, signal);
  if (inRecovery) return 'it is in recovery';
  if (!takesWrites) return 'it takes no writes yet';
  return timeline > old ? undefined : `it is on timeline ${timeline}, and was to leave ${old}`;
}

function apiOfTarget(context: SwitchoverContext, { name }: Located): NodeApi {
  const api = apiOf(context, name);
  if (api === undefined) throw new PgcmError('unavailable', `no endpoint is of ${name}`);
  return api;
}
