import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { SwitchoverContext } from '../../src/failover/context.js';
import type { Step } from '../../src/failover/pipeline.js';

/**
 * Where a step is held: before it does anything, when it has done everything but is not over, or (of
 * `migrate` alone) when the cluster manager has accepted the move and the answer is not read yet.
 */
export const holdPoints = ['begin', 'end', 'answer'] as const;
export type HoldPoint = (typeof holdPoints)[number];

export interface Hold {
  readonly step: string;
  readonly point: HoldPoint;
  /** The step goes on once this file is gone. */
  readonly file: string;
  /** Tells that the step is held now. */
  readonly tell: (hold: Hold) => void;
}

const lookEveryMs = 20;

/** The same steps, one of which waits. Their names, undos and deadlines stay as they are. */
export function heldSteps(
  steps: readonly Step<SwitchoverContext>[],
  hold: Hold,
): readonly Step<SwitchoverContext>[] {
  if (!steps.some(({ name }) => name === hold.step)) throw new Error(`there is no step '${hold.step}'`);
  return steps.map((step) => (step.name === hold.step ? heldStep(step, hold) : step));
}

function heldStep(step: Step<SwitchoverContext>, hold: Hold): Step<SwitchoverContext> {
  return {
    ...step,
    async run(context, signal) {
      if (hold.point === 'begin') await released(hold, signal);
      if (hold.point === 'answer') holdAnswers(context, hold);
      await step.run(context, signal);
      if (hold.point === 'end') await released(hold, signal);
    },
  };
}

/** The rpc is answered, and the command does not know of it yet. Only the first answer is held. */
function holdAnswers(context: SwitchoverContext, hold: Hold): void {
  let first = true;
  for (const api of context.apis) {
    const migrate = api.migrate.bind(api);
    Object.assign(api, {
      migrate: async (...args: Parameters<typeof migrate>) => {
        const target = await migrate(...args);
        if (first) {
          first = false;
          await released(hold, new AbortController().signal);
        }
        return target;
      },
    });
  }
}

/** As a step that heeds its signal: an interrupt or the loss of the lock ends the wait, too. */
async function released(hold: Hold, signal: AbortSignal): Promise<void> {
  hold.tell(hold);
  while (existsSync(hold.file) && !signal.aborted) await delay(lookEveryMs);
}
