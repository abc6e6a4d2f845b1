import { events } from '../domain/events.js';
import type { SwitchoverContext } from './context.js';
import { outcomeOf, type Interrupt, type Outcome } from './outcome.js';
import { runPipeline, type Step } from './pipeline.js';
import { check } from './steps/check.js';
import { lock } from './steps/lock.js';
import { migrate } from './steps/migrate.js';
import { pause } from './steps/pause.js';

/**
 * The switchover: four steps, three of which have an undo that is registered before the step runs.
 * The same undos end a success and a failure, so there is one way out and it is always taken:
 *
 *   check -> lock -> pause -> migrate, then release (clients first) -> unmigrate -> unlock
 */
export const switchover: readonly Step<SwitchoverContext>[] = [check, lock, pause, migrate];

/** Runs a switchover to its end. @param interrupt aborted by the operator; its reason becomes the outcome's */
export async function runSwitchover(
  context: SwitchoverContext,
  interrupt: AbortSignal,
  interruptOf: (reason: unknown) => Interrupt,
): Promise<Outcome> {
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort(interrupt.reason);
  if (interrupt.aborted) onInterrupt();
  interrupt.addEventListener('abort', onInterrupt, { once: true });
  const watched = stopWhenLockIsLost(switchover, stop);
  const result = await runPipeline(watched, context, context.log, stop.signal);
  interrupt.removeEventListener('abort', onInterrupt);
  const outcome = outcomeOf(result, context, interrupt.aborted ? interruptOf(interrupt.reason) : undefined);
  const fields = {
    id: context.holder.id,
    outcome: outcome.name,
    status: outcome.status,
    ...Object.fromEntries(result.timings.map(({ name, ms }) => [`${name}_ms`, ms])),
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
      if (step !== lock || context.held === undefined) return;
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
