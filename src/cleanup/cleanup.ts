import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import type { Mandate } from '../domain/mandate.js';
import type { HeldLock } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline, sleep } from '../runtime/deadline.js';
import { liftRequest, resumeNodes } from './clients.js';
import type { CleanupContext, CleanupLine } from './context.js';
import { begunError, removeDeadLocks } from './dead-lock.js';
import { forgetProxy } from './forget-proxy.js';
import { takeBackMove } from './moves.js';
import { findTraces, runsOf, type Traces } from './traces.js';

/** A change takes a moment until every node shows it. */
const SETTLE: Milliseconds = 3_000;
const LOOK_INTERVAL: Milliseconds = 200;

const UNLOCK_TIMEOUT: Milliseconds = 5_000;

/**
 * Takes back what runs that died have left. For each of them it takes the lock in that run's name, and
 * does what the run itself would have done on its way out, the clients first; a run of that name that was
 * only frozen has lost its lock by then, and can do nothing any more.
 *
 * @returns what could not be taken back; nothing when all is clean
 * @throws PgcmError `refused` while a run is alive: nothing was touched
 */
export async function runCleanup(context: CleanupContext, signal: AbortSignal): Promise<readonly string[]> {
  const left: string[] = [];
  const say = (line: CleanupLine): void => {
    if (line.kind === 'left') left.push(line.text);
    context.say(line);
  };
  const own: CleanupContext = { ...context, say };
  const dead = await removeDeadLocks(own, signal);
  const traces = await findTraces(own, signal);
  for (const why of traces.unknown) say({ kind: 'left', text: why });
  const runs = [...new Set([...runsOf(traces), ...dead])];
  const [first = context.self.id, ...others] = runs;
  await inTheNameOf(own, first, signal, [
    ({ mandate }) => resumeNodes(own, mandate, signal),
    ({ held }) => liftRequest(own, first, traces, held, signal),
    ({ mandate }) => takeBackMove(own, mandate, traces, signal),
  ]);
  for (const run of others) {
    await inTheNameOf(own, run, signal, [
      ({ held }) => liftRequest(own, run, traces, held, signal),
      ({ mandate }) => takeBackMove(own, mandate, traces, signal),
    ]);
  }
  await forgetProxy(own, signal);
  if (left.length === 0) await verify(own, signal);
  return left;
}

interface Authority {
  readonly held: HeldLock;
  readonly mandate: Mandate;
}

/**
 * Takes the lock as that run, does all of the work whichever part fails, and gives the lock back. The
 * parts run at the same time: none of them needs another's outcome.
 */
async function inTheNameOf(
  context: CleanupContext,
  run: string,
  signal: AbortSignal,
  work: readonly ((authority: Authority) => Promise<void>)[],
): Promise<void> {
  const held = await acquire(context, run, signal);
  const authority = { held, mandate: { switchover: run, lockRevision: held.revision } };
  const outcomes = await Promise.allSettled(work.map((part) => part(authority)));
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled' || signal.aborted) continue;
    context.say({ kind: 'left', text: `what switchover ${run} left: ${describeError(outcome.reason)}` });
  }
  await release(context, held);
  signal.throwIfAborted();
}

async function acquire(
  { lock, self, options }: CleanupContext,
  run: string,
  signal: AbortSignal,
): Promise<HeldLock> {
  const waiting = new AbortController();
  const what = 'waiting for the failover lock';
  const timer = setTimeout(() => waiting.abort(new PgcmError('timed-out', what)), options.lockTimeout);
  const onAbort = (): void => waiting.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await lock.acquire({ ...self, id: run }, waiting.signal);
  } catch (error) {
    signal.throwIfAborted();
    throw hasCode(error, 'lock-held') ? begunError(error) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Not with the command's signal: an interrupt must not leave the lock to its lease. */
async function release({ say }: CleanupContext, held: HeldLock): Promise<void> {
  try {
    const never = new AbortController().signal;
    await runWithDeadline('releasing the failover lock', UNLOCK_TIMEOUT, never, (on) => held.release(on));
  } catch (error) {
    say({
      kind: 'left',
      text: `the lock of this clean-up, which ends by itself in 10 s: ${describeError(error)}`,
    });
  }
}

/** Looks again: nothing that this did is taken for done unseen. */
async function verify(context: CleanupContext, signal: AbortSignal): Promise<void> {
  const begun = monotonic();
  let remains: readonly string[];
  do {
    remains = remaining(await findTraces(context, signal));
    if (remains.length === 0) return;
  } while (monotonic() - begun < SETTLE && (await sleep(LOOK_INTERVAL, signal)) === 'elapsed');
  signal.throwIfAborted();
  for (const text of remains) context.say({ kind: 'left', text });
}

function remaining({ request, paused, moves, unknown }: Traces): readonly string[] {
  return [
    ...unknown,
    ...(request === undefined ? [] : [`a pause request of switchover ${request.id} is there (again)`]),
    ...paused.map(({ proxy, run }) => `proxy ${proxy.id} holds its clients for switchover ${run}`),
    ...moves.map((run) => `a move of switchover ${run} is still asked for`),
  ];
}
