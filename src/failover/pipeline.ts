import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline } from '../runtime/deadline.js';

/** What takes a step back. It must cope with a step that did nothing, a part, or all. */
export interface Undo<C> {
  readonly name: string;
  /** Its own deadline: the run's time may be long over when it is needed. */
  readonly timeout: (context: C) => Milliseconds;
  /** Runs before every other undo: it lets the clients go on. */
  readonly clientsFirst?: true;
  run(context: C, signal: AbortSignal): Promise<void>;
}

/** One named step. Its undo is registered before it runs, so that a half-done step is taken back too. */
export interface Step<C> {
  readonly name: string;
  readonly undo?: Undo<C>;
  run(context: C, signal: AbortSignal): Promise<void>;
}

export interface Timing {
  readonly name: string;
  readonly ms: Milliseconds;
}

export interface CleanupFailure {
  readonly name: string;
  readonly error: unknown;
}

export interface PipelineResult {
  /** The step that failed, if one did; the later ones did not run. */
  readonly failure: { readonly step: string; readonly error: unknown } | undefined;
  readonly cleanupFailures: readonly CleanupFailure[];
  readonly timings: readonly Timing[];
}

/**
 * Runs the steps in order, then, whether they succeeded or not, every undo that was registered: first
 * the one that lets the clients go on, the others in reverse. All of them run, whichever fails.
 *
 * @param signal ends the step under way, where that step lets itself be ended; never an undo
 */
export async function runPipeline<C>(
  steps: readonly Step<C>[],
  context: C,
  log: Log,
  signal: AbortSignal,
): Promise<PipelineResult> {
  const timings: Timing[] = [];
  const registered: Undo<C>[] = [];
  let failure: PipelineResult['failure'];
  for (const step of steps) {
    if (step.undo !== undefined) registered.unshift(step.undo);
    const error = await timed(step.name, timings, () => step.run(context, signal), log, stepEvents);
    if (error === undefined) continue;
    failure = { step: step.name, error: error.thrown };
    break;
  }
  const cleanupFailures: CleanupFailure[] = [];
  const undos = [...registered.filter((u) => u.clientsFirst), ...registered.filter((u) => !u.clientsFirst)];
  for (const undo of undos) {
    const work = (): Promise<void> =>
      runWithDeadline(undo.name, undo.timeout(context), new AbortController().signal, (on) =>
        undo.run(context, on),
      );
    const error = await timed(undo.name, timings, work, log, undoEvents);
    if (error !== undefined) cleanupFailures.push({ name: undo.name, error: error.thrown });
  }
  return { failure, cleanupFailures, timings };
}

const stepEvents = { start: events.stepStart, end: events.stepEnd } as const;
const undoEvents = { start: events.undoStart, end: events.undoEnd } as const;

async function timed(
  name: string,
  timings: Timing[],
  work: () => Promise<void>,
  log: Log,
  names: typeof stepEvents | typeof undoEvents,
): Promise<{ readonly thrown: unknown } | undefined> {
  const startedAt = monotonic();
  log.info(names.start, { step: name });
  let failed: { readonly thrown: unknown } | undefined;
  try {
    await work();
  } catch (error) {
    failed = { thrown: error };
  }
  const ms = Math.round((monotonic() - startedAt) * 10) / 10;
  timings.push({ name, ms });
  if (failed === undefined) log.info(names.end, { step: name, elapsed_ms: ms });
  else log.error(names.end, { step: name, elapsed_ms: ms, error: describeError(failed.thrown) });
  return failed;
}
