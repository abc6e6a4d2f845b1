import type { Located } from '../../domain/cluster.js';
import { describeError, hasCode, PgcmError } from '../../domain/errors.js';
import { events } from '../../domain/events.js';
import type { NodeApi } from '../../domain/node-api.js';
import type { Milliseconds } from '../../domain/time.js';
import { monotonic } from '../../runtime/clock.js';
import { abortError, runWithDeadline, sleep } from '../../runtime/deadline.js';
import { formatDuration } from '../../runtime/durations.js';
import type { SwitchoverContext } from '../context.js';
import type { Step } from '../pipeline.js';

const PROBE_INTERVAL: Milliseconds = 10;
const PROBE_TIMEOUT: Milliseconds = 1_000;

/** With less time than this left, a request could only end in doubt. */
const ENOUGH_TO_ASK: Milliseconds = 100;

/**
 * The primary moves to the synchronous standby. From the request on nothing abandons it: half a move
 * is worse for clients than a whole one, so an interrupt is only taken note of.
 */
export const migrate: Step<SwitchoverContext> = {
  name: 'migrate',
  async run(context, signal) {
    const { log, options } = context;
    if (signal.aborted) throw abortError(signal, 'migrate');
    // Looked at anew: a process that was frozen runs on before the timer that would tell it.
    const lost = context.held?.lost;
    if (lost?.aborted === true) throw abortError(lost, 'migrate');
    const onInterrupt = (): void =>
      log.warn(
        events.failoverInterrupted,
        { reason: describeError(signal.reason), at_most: formatDuration(options.promoteTimeout) },
        'the move of the primary has begun: seeing it through rather than leaving it half-way',
      );
    signal.addEventListener('abort', onInterrupt, { once: true });
    try {
      const target = await requestMove(context);
      context.move = { kind: 'accepted', target };
      await runWithDeadline(
        `waiting for ${target.name} (${target.address}) to take writes and to be published`,
        options.promoteTimeout,
        new AbortController().signal,
        (on) => untilPrimary(context, target, on),
      );
      context.move = { kind: 'done', target };
      log.info(
        events.clientsMigrate,
        { target: target.name, address: target.address },
        'observed successful migration',
      );
    } finally {
      signal.removeEventListener('abort', onInterrupt);
    }
  },
  undo: {
    name: 'unmigrate',
    // Each node may take its time, as one that died in the meantime does not answer at all.
    timeout: ({ options, apis }) => options.pacemakerTimeout * apis.length,
    async run(context, signal) {
      const { move, options, log } = context;
      if (move.kind === 'not-begun') return;
      log.info(events.clientsUnmigrate, {}, 'requesting pacemaker unmigrate');
      // The target first: it was alive a moment ago, and the old primary may be what failed.
      const target = 'target' in move ? apiOf(context, move.target) : undefined;
      const others = context.apis.filter((api) => api !== target);
      await onAny(target === undefined ? others : [target, ...others], (api) =>
        api.unmigrate(undefined, options.pacemakerTimeout, signal),
      );
    },
  },
};

/** An answer that says for certain that the cluster manager was not asked. */
const refusals = ['no-sync-standby', 'refused', 'no-quorum', 'no-primary', 'two-primaries'] as const;

/**
 * All nodes together have the time for it: clients wait meanwhile. A node that used it up may have asked
 * the cluster manager all the same, and asking another one then could move the primary twice.
 */
async function requestMove(context: SwitchoverContext): Promise<Located> {
  const { options, log, apis } = context;
  log.info(events.clientsMigrate, {}, 'requesting pacemaker migration');
  context.move = { kind: 'requested' };
  const deadline = monotonic() + options.pacemakerTimeout;
  const { signal } = new AbortController();
  let asked = 0;
  try {
    return await onAny(
      apis,
      (api) => {
        asked += 1;
        return api.migrate(undefined, undefined, deadline - monotonic(), signal);
      },
      deadline,
    );
  } catch (error) {
    // Of a node before this one it may be open whether it has asked the cluster manager.
    if (asked === 1 && hasCode(error, ...refusals)) context.move = { kind: 'not-begun' };
    throw error;
  }
}

/**
 * One node's word is enough, so a node that cannot be reached is passed over.
 * @param deadline on the monotonic clock; no further node is asked when it is near
 */
async function onAny<T>(
  apis: readonly NodeApi[],
  ask: (api: NodeApi) => Promise<T>,
  deadline = Number.POSITIVE_INFINITY,
): Promise<T> {
  const failures: string[] = [];
  for (const api of apis) {
    if (failures.length > 0 && deadline - monotonic() < ENOUGH_TO_ASK) break;
    try {
      return await ask(api);
    } catch (error) {
      if (!hasCode(error, 'unavailable', 'timed-out')) throw error;
      failures.push(describeError(error));
    }
  }
  throw new PgcmError('unavailable', failures.join('; '));
}

async function untilPrimary(context: SwitchoverContext, target: Located, signal: AbortSignal): Promise<void> {
  const { routes, log } = context;
  log.info(
    events.clientsMigrate,
    { key: routes.key, target: target.name, address: target.address },
    'waiting for etcd to update with the primary',
  );
  await forewarn(context, target, signal);
  await untilPublished(context, target, signal);
  await untilTakesWrites(context, target, signal);
}

/**
 * A standby that is asked whether it takes writes knows that it is about to be promoted, and its
 * supervise looks for that every few milliseconds. Without the hint it is noticed a little later.
 */
async function forewarn(context: SwitchoverContext, target: Located, signal: AbortSignal): Promise<void> {
  try {
    await apiOf(context, target)?.probe(PROBE_TIMEOUT, signal);
  } catch (error) {
    context.log.warn(events.clientsMigrate, { target: target.name, error: describeError(error) });
  }
}

function apiOf({ nodes }: SwitchoverContext, { name }: Located): NodeApi | undefined {
  return nodes.find((node) => node.name === name)?.api;
}

async function untilPublished(
  { routes }: SwitchoverContext,
  target: Located,
  signal: AbortSignal,
): Promise<void> {
  const found = new AbortController();
  await routes.follow(
    (reading) => {
      if (reading.kind === 'route' && reading.route.address === target.address) found.abort();
    },
    AbortSignal.any([signal, found.signal]),
  );
  if (signal.aborted) throw abortError(signal, `waiting for ${routes.key} to name ${target.address}`);
}

/** The key alone proves nothing: the target itself is asked, through its supervise. */
async function untilTakesWrites(
  context: SwitchoverContext,
  target: Located,
  signal: AbortSignal,
): Promise<void> {
  const api = apiOf(context, target);
  let said = 'no answer';
  while (api !== undefined && !signal.aborted) {
    try {
      if ((await api.probe(PROBE_TIMEOUT, signal)).takesWrites) return;
      said = 'it takes no writes yet';
    } catch (error) {
      if (hasCode(error, 'unsupported')) break;
      said = describeError(error);
    }
    await sleep(PROBE_INTERVAL, signal);
  }
  if (signal.aborted) throw new PgcmError('timed-out', `${target.name} does not take writes: ${said}`);
  context.log.warn(
    events.clientsMigrate,
    { target: target.name },
    'the target cannot be asked whether it takes writes (no endpoint of this name serves probe): trusting the key',
  );
}
