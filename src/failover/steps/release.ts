import type { Address } from '../../domain/address.js';
import { describeError, PgcmError } from '../../domain/errors.js';
import { events } from '../../domain/events.js';
import type { NodeApi } from '../../domain/node-api.js';
import type { Route } from '../../domain/route.js';
import type { PauseRequest } from '../../domain/switchover.js';
import type { Milliseconds } from '../../domain/time.js';
import { monotonic } from '../../runtime/clock.js';
import { manyListeners, runWithDeadline } from '../../runtime/deadline.js';
import { untilProxiesRun } from '../acknowledgements.js';
import { all, insist } from '../asking.js';
import { addressOf } from '../candidates.js';
import { mandateOf, type Pausing, type SwitchoverContext } from '../context.js';
import type { Undo } from '../pipeline.js';
import { writableNode } from '../writable.js';
import { unmigrate } from './unmigrate.js';

/** For taking the move back before clients are let go to the old primary. */
const TAKE_BACK: Milliseconds = 3_000;

/** Where clients go on: wherever they are, or only where they are led by this route. */
type Goal = { readonly kind: 'abort' } | { readonly kind: 'release'; readonly route: Route };

/** Clients go on. It is the undo of the pause, and before every other one. */
export const release: Undo<SwitchoverContext> = {
  name: 'release',
  clientsFirst: true,
  // The questions who takes writes (1 s each) and the grace of each answer (1 s) come on top.
  timeout: ({ options }) => options.resumeTimeout + 3_000 + TAKE_BACK,
  async run(context, outer) {
    const signal = manyListeners(outer);
    const { pausing } = context;
    if (pausing === undefined) return;
    try {
      await letGo(context, pausing, signal);
    } finally {
      context.pausing = { ...pausing, until: monotonic() };
    }
  },
};

async function letGo(context: SwitchoverContext, pausing: Pausing, signal: AbortSignal): Promise<void> {
  const goal = await goalOf(context, pausing, signal);
  const address = goal.kind === 'release' ? goal.route.address : undefined;
  context.log.info(events.clientsResume, { target: address }, 'requesting all pgbouncers resume');
  await all([
    byRequest(context, goal, signal),
    ...pausing.byRpc.map((api) => byRpc(context, api, address, signal)),
  ]);
}

async function goalOf(context: SwitchoverContext, { from }: Pausing, signal: AbortSignal): Promise<Goal> {
  const { move } = context;
  if (move.kind === 'not-begun') return { kind: 'abort' };
  if (move.kind === 'done') return { kind: 'release', route: move.route };
  // The move failed half-way. Clients are let go only to a host that takes writes, and the key, with it
  // the bouncers, may name another one.
  const writable = await settledNode(context, signal);
  context.writable = writable;
  const address = addressFor(context, writable, from.address);
  const route = await context.watched?.route.until(
    (reading) => (reading.kind === 'route' && reading.route.address === address ? reading.route : undefined),
    signal,
  );
  if (route === undefined) throw new PgcmError('internal', 'the route is not watched');
  return { kind: 'release', route };
}

/** The old primary may take writes only until it is demoted: the move is taken back first, then looked again. */
async function settledNode(context: SwitchoverContext, signal: AbortSignal): Promise<string> {
  const first = await writableNode(context, signal);
  if (first !== context.plan?.primary) return first;
  try {
    await runWithDeadline('taking the move back', TAKE_BACK, signal, (on) => unmigrate.run(context, on));
  } catch (error) {
    // The undo of the move comes later, has more time, and tells.
    context.log.warn(events.clientsUnmigrate, { error: describeError(error) });
  }
  return await writableNode(context, signal);
}

function addressFor(context: SwitchoverContext, writable: string, from: Address): string {
  const { move, plan, facts } = context;
  if ('target' in move && writable === move.target.name) return move.target.address;
  const published = facts && addressOf(facts, writable);
  if (writable === plan?.primary || published === undefined) return from;
  return published;
}

async function byRequest(context: SwitchoverContext, goal: Goal, signal: AbortSignal): Promise<void> {
  const { requests, holder, options, held } = context;
  if (held === undefined) return;
  const request: PauseRequest = {
    id: holder.id,
    phase: goal.kind,
    release: goal.kind === 'release' ? goal.route.revision : undefined,
    duration: options.pauseExpiry,
    timeout: options.pauseTimeout,
  };
  await insist(signal, () => requests.write(request, held, signal));
  await untilProxiesRun(context, request.release, signal);
}

async function byRpc(
  context: SwitchoverContext,
  api: NodeApi,
  target: Address | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { options, log } = context;
  const startedAt = monotonic();
  await insist(signal, () => api.resume(target, options.resumeTimeout, mandateOf(context), signal));
  log.info(events.clientsResume, {
    endpoint: api.endpoint,
    elapsed: Math.round(monotonic() - startedAt) / 1_000,
  });
}
