import { describeError, hasCode } from '../domain/errors.js';
import type { SwitchoverContext } from './context.js';
import type { PipelineResult } from './pipeline.js';

/** The exit statuses of `pgcm failover`; documented in its help. */
export const exitStatus = {
  done: 0,
  unexpected: 1,
  refused: 3,
  'rolled-back': 4,
  'failed-after-move': 5,
  'cleanup-left': 6,
} as const;

export interface Outcome {
  readonly name: keyof typeof exitStatus | 'interrupted';
  readonly status: number;
  /** What is true now, and what to do. */
  readonly message: string;
}

/** Why the operator's signal ended a run: the exit status that shells expect for it. */
export interface Interrupt {
  readonly name: string;
  readonly status: number;
}

type State = Pick<SwitchoverContext, 'move' | 'plan' | 'pausing' | 'writable'>;

/** What happened, from what the pipeline did. Never better than the truth. */
export function outcomeOf(
  { failure, cleanupFailures }: PipelineResult,
  context: State,
  interrupt: Interrupt | undefined,
): Outcome {
  const { move, plan, writable } = context;
  const left = cleanupFailures.map(({ name, error }) => `${name}: ${describeError(error)}`).join('; ');
  const target =
    'target' in move ? `${move.target.name} (${move.target.address})` : (plan?.target ?? 'the target');
  if (failure === undefined) {
    if (left === '') return outcome('done', `the primary is ${target}`);
    return outcome('cleanup-left', `the primary is ${target}, but a clean-up is left: ${left}`);
  }
  const why = `${failure.step}: ${describeError(failure.error)}`;
  if (move.kind !== 'not-begun') {
    const also = left === '' ? '' : `; a clean-up is left, too: ${left}`;
    const now =
      writable === undefined ? 'which node takes writes could not be told' : `${writable} takes writes now`;
    return outcome(
      'failed-after-move',
      `the move of the primary to ${target} was asked for and not seen done: ${why}; ${now}${also}; pgcm status shows what is true`,
    );
  }
  if (left !== '') {
    return outcome('cleanup-left', `${why}; nothing was moved, but a clean-up is left: ${left}`);
  }
  if (interrupt !== undefined) {
    return {
      name: 'interrupted',
      status: interrupt.status,
      message: `${interrupt.name}: ${undone(context)}, nothing was moved (${why})`,
    };
  }
  // The checks are made in the first two steps; what ends those otherwise has touched nothing either.
  const early = failure.step === 'check' || failure.step === 'lock';
  if (early && hasCode(failure.error, 'refused', 'lock-held')) return outcome('refused', why);
  return outcome('rolled-back', `${why}; ${undone(context)}: clients run on the old primary`);
}

function undone({ pausing }: State): string {
  return pausing === undefined ? 'nothing was touched' : 'rolled back';
}

function outcome(name: keyof typeof exitStatus, message: string): Outcome {
  return { name, status: exitStatus[name], message };
}
