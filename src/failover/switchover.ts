import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { SwitchoverReport } from '../domain/switchover.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline } from '../runtime/deadline.js';
import type { SwitchoverContext } from './context.js';
import { exitStatus, outcomeOf, type Interrupt } from './outcome.js';
import { runPipeline, undoing, type Step } from './pipeline.js';
import { reportOf } from './report.js';
import { tellSeenThrough } from './seen-through.js';
import { check } from './steps/check.js';
import { checkpoint } from './steps/checkpoint.js';
import { lock } from './steps/lock.js';
import { migrate } from './steps/migrate.js';
import { pause } from './steps/pause.js';
import { rejoin } from './steps/rejoin.js';

/**
 * The switchover, as it is read aloud. The undo of a step is registered before the step runs. A success
 * has the undos in its list; when a step fails, those that were registered run, the release first.
 */
export const switchoverSteps: readonly Step<SwitchoverContext>[] = [
  check,
  lock,
  checkpoint,
  pause,
  migrate,
  undoing(pause), // release
  undoing(migrate), // unmigrate
  rejoin,
  undoing(lock), // unlock
];

/** What ends a run from outside. */
export interface Interruption {
  /** Aborted by the operator. */
  readonly signal: AbortSignal;
  /** What its reason means for the exit status. */
  readonly of: (reason: unknown) => Interrupt;
}

/** Runs a switchover to its end, and keeps its report. @param steps those of a switchover; tests wrap them */
export async function runSwitchover(
  context: SwitchoverContext,
  interruption: Interruption,
  steps: readonly Step<SwitchoverContext>[] = switchoverSteps,
): Promise<SwitchoverReport> {
  const startedAt = monotonic();
  const { signal: interrupt } = interruption;
  const stopping = new AbortController();
  let left = steps;
  const stop = (reason: unknown): void => {
    tellSeenThrough(context, reason, left);
    stopping.abort(reason);
  };
  const onInterrupt = (): void => stop(interrupt.reason);
  if (interrupt.aborted) onInterrupt();
  interrupt.addEventListener('abort', onInterrupt, { once: true });
  const followed = following(stopWhenLockIsLost(steps, stop), (now) => (left = now));
  const result = await runPipeline(followed, context, context.log, stopping.signal);
  interrupt.removeEventListener('abort', onInterrupt);
  const reason = interrupt.aborted ? interruption.of(interrupt.reason) : undefined;
  const outcome = outcomeOf(result, context, reason);
  const report = reportOf(context, result, outcome, Math.round(monotonic() - startedAt));
  const kept = await keep(context, report);
  await Promise.allSettled([context.watched?.proxies.close(), context.watched?.route.close()]);
  logEnd(context, kept);
  return kept;
}

/**
 * Writes the report to the history, when the run had the lock: before that it touched nothing. A report
 * that cannot be written is a clean-up that is left, where everything else went well.
 */
async function keep(context: SwitchoverContext, report: SwitchoverReport): Promise<SwitchoverReport> {
  if (context.held === undefined) return report;
  const { history, options, log } = context;
  const what = 'writing the report to the history in etcd';
  try {
    await runWithDeadline(what, options.etcdTimeout, new AbortController().signal, (on) =>
      history.add(report, on),
    );
    return report;
  } catch (error) {
    log.error(events.historyError, { error: describeError(error) }, 'the report is not in the history');
    if (report.status !== exitStatus.done) return report;
    const message = `${report.message}, but its report is not in the history: ${describeError(error)}`;
    return { ...report, outcome: 'cleanup-left', status: exitStatus['cleanup-left'], message };
  }
}

function logEnd({ log }: SwitchoverContext, report: SwitchoverReport): void {
  const fields = {
    id: report.id,
    outcome: report.outcome,
    status: report.status,
    clients_waited_ms: report.pause,
    ...Object.fromEntries(report.steps.map(({ name, ms }) => [`${name}_ms`, ms])),
  };
  if (report.status === 0) log.info(events.failoverEnd, fields, report.message);
  else log.error(events.failoverEnd, fields, report.message);
}

/** @param onBegin gets the steps that have not ended, each time one begins */
function following<C>(
  steps: readonly Step<C>[],
  onBegin: (left: readonly Step<C>[]) => void,
): readonly Step<C>[] {
  return steps.map((step, index) => ({
    ...step,
    run(context, signal) {
      onBegin(steps.slice(index));
      return step.run(context, signal);
    },
  }));
}

/** Once the lock is held, losing it ends every step that can be ended: another run may have begun. */
function stopWhenLockIsLost(
  steps: readonly Step<SwitchoverContext>[],
  stop: (reason: unknown) => void,
): readonly Step<SwitchoverContext>[] {
  return steps.map((step) => ({
    ...step,
    async run(context, signal) {
      await step.run(context, signal);
      if (step.name !== lock.name || context.held === undefined) return;
      const { lost } = context.held;
      const onLost = (): void => {
        context.log.error(events.etcdLockLost, {}, 'the failover lock is lost: stopping');
        stop(lost.reason);
      };
      if (lost.aborted) onLost();
      else lost.addEventListener('abort', onLost, { once: true });
    },
  }));
}
