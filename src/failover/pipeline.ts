import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { StepReport } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, runWithDeadline } from '../runtime/deadline.js';

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
  /** This step is the undo of an earlier one: once it has begun, that undo is not run again. */
  readonly undoes?: string;
  /**
   * It comes after the point of no return: nothing interrupts it, and when it fails, that is a clean-up
   * that is left; the steps after it run all the same.
   */
  readonly cleanup?: true;
  /** How long it takes at most, where that is told beforehand. */
  readonly timeout?: (context: C) => Milliseconds;
  /** Its deadline is within. @param signal aborted by an interrupt, or when the lock is lost; never for a clean-up */
  run(context: C, signal: AbortSignal): Promise<void>;
}

export interface CleanupFailure {
  readonly name: string;
  readonly error: unknown;
}

export interface PipelineResult {
  /** The step that failed, if one did; the later ones did not run. */
  readonly failure: { readonly step: string; readonly error: unknown } | undefined;
  readonly cleanupFailures: readonly CleanupFailure[];
  /** Steps and undos, in the order in which they ran. */
  readonly steps: readonly StepReport[];
}

/** A step whose work ends with its deadline, whatever the work makes of its signal. */
export function bounded<C>(
  step: Omit<Step<C>, 'run'> & {
    readonly timeout: (context: C) => Milliseconds;
    run(context: C, signal: AbortSignal): Promise<void>;
  },
): Step<C> {
  return {
    ...step,
    run: (context, signal) =>
      runWithDeadline(step.name, step.timeout(context), signal, (on) => step.run(context, on)),
  };
}

/** The step that runs the undo of an earlier one where a success has it in its list. */
export function undoing<C>({ name, undo }: Step<C>): Step<C> {
  if (undo === undefined) throw new PgcmError('internal', `the step ${name} has no undo`);
  return bounded({
    name: undo.name,
    undoes: undo.name,
    cleanup: true,
    timeout: undo.timeout,
    run: (context, signal) => undo.run(context, signal),
  });
}

/**
 * Runs the steps in order. When one fails, every undo that was registered and has not begun yet: first
 * the one that lets the clients go on, the others in reverse. All of them run, whichever fails.
 *
 * @param signal ends the step under way, where that step lets itself be ended; never a clean-up
 */
export async function runPipeline<C>(
  steps: readonly Step<C>[],
  context: C,
  log: Log,
  signal: AbortSignal,
): Promise<PipelineResult> {
  const reports: StepReport[] = [];
  const cleanupFailures: CleanupFailure[] = [];
  let registered: readonly Undo<C>[] = [];
  let failure: PipelineResult['failure'];
  for (const step of steps) {
    if (step.undo !== undefined) registered = [step.undo, ...registered];
    if (step.undoes !== undefined) registered = registered.filter(({ name }) => name !== step.undoes);
    const error = await timed(step.name, reports, () => runStep(step, context, signal), log, stepEvents);
    if (error === undefined) continue;
    if (step.cleanup) {
      cleanupFailures.push({ name: step.name, error: error.thrown });
      continue;
    }
    failure = { step: step.name, error: error.thrown };
    break;
  }
  const undos = [...registered.filter((u) => u.clientsFirst), ...registered.filter((u) => !u.clientsFirst)];
  for (const undo of undos) {
    const work = (): Promise<void> =>
      runWithDeadline(undo.name, undo.timeout(context), new AbortController().signal, (on) =>
        undo.run(context, on),
      );
    const error = await timed(undo.name, reports, work, log, undoEvents);
    if (error !== undefined) cleanupFailures.push({ name: undo.name, error: error.thrown });
  }
  return { failure, cleanupFailures, steps: reports };
}

async function runStep<C>(step: Step<C>, context: C, signal: AbortSignal): Promise<void> {
  if (step.cleanup !== true && signal.aborted) throw abortError(signal, step.name);
  await step.run(context, step.cleanup === true ? new AbortController().signal : signal);
}

const stepEvents = { start: events.stepStart, end: events.stepEnd } as const;
const undoEvents = { start: events.undoStart, end: events.undoEnd } as const;

async function timed(
  name: string,
  reports: StepReport[],
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
  const error = failed === undefined ? '' : describeError(failed.thrown);
  reports.push({ name, ms, error });
  if (failed === undefined) log.info(names.end, { step: name, elapsed_ms: ms });
  else log.error(names.end, { step: name, elapsed_ms: ms, error });
  return failed;
}
