import { events } from '../domain/events.js';
import type { SwitchoverContext } from './context.js';
import { outcomeOf, type Interrupt, type Outcome } from './outcome.js';
import { runPipeline, undoing, type Step } from './pipeline.js';
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

/** Runs a switchover to its end. @param steps those of a switchover; tests wrap them */
export async function runSwitchover(
  context: SwitchoverContext,
  interruption: Interruption,
  steps: readonly Step<SwitchoverContext>[] = switchoverSteps,
): Promise<Outcome> {
  const { signal: interrupt } = interruption;
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort(interrupt.reason);
  if (interrupt.aborted) onInterrupt();
  interrupt.addEventListener('abort', onInterrupt, { once: true });
  const result = await runPipeline(stopWhenLockIsLost(steps, stop), context, context.log, stop.signal);
  interrupt.removeEventListener('abort', onInterrupt);
  const outcome = outcomeOf(
    result,
    context,
    interrupt.aborted ? interruption.of(interrupt.reason) : undefined,
  );
  const fields = {
    id: context.holder.id,
    outcome: outcome.name,
    status: outcome.status,
    ...Object.fromEntries(result.steps.map(({ name, ms }) => [`${name}_ms`, ms])),
  };
  if (outcome.status === 0) context.log.info(events.failoverEnd, fields, outcome.message);
  else context.log.error(events.failoverEnd, fields, outcome.message);
  return outcome;
}

/** Once the lock is held, losing it ends every step that can be ended: another run may have begun. */
function stopWhenLockIsLost(
  steps: readonly Step<SwitchoverContext>[],
  stop: AbortController,
): readonly Step<SwitchoverContext>[] {
  return steps.map((step) => ({
    ...step,
    async run(context, signal) {
      await step.run(context, signal);
      if (step.name !== lock.name || context.held === undefined) return;
      const { lost } = context.held;
      const onLost = (): void => {
        context.log.error(events.etcdLockLost, {}, 'the failover lock is lost: stopping');
        stop.abort(lost.reason);
      };
      if (lost.aborted) onLost();
      else lost.addEventListener('abort', onLost, { once: true });
    },
  }));
}
