import { describeError, hasCode } from '../domain/errors.js';
import type { SwitchoverContext } from './context.js';
import type { PipelineResult } from './pipeline.js';

/** The exit statuses of `pgcm failover`; documented in its help. */
export const exitStatus = {
  done: 0,
  unexpected: 1,
  refused: 3,
  rolledBack: 4,
  failedAfterMove: 5,
  cleanupLeft: 6,
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

/** What happened, from what the pipeline did. Never better than the truth. */
export function outcomeOf(
  { failure, cleanupFailures }: PipelineResult,
  { move }: SwitchoverContext,
  interrupt: Interrupt | undefined,
): Outcome {
  const left = cleanupFailures.map(({ name, error }) => `${name}: ${describeError(error)}`).join('; ');
  const target =
    'target' in move ? `${move.target.name} (${move.target.address})` : 'the synchronous standby';
  if (failure === undefined) {
    if (left === '') return outcome('done', `the primary is ${target}`);
    return outcome('cleanupLeft', `the primary is ${target}, but a clean-up is left: ${left}`);
  }
  const why = `${failure.step}: ${describeError(failure.error)}`;
  if (move.kind !== 'not-begun') {
    const also = left === '' ? '' : `; a clean-up is left, too: ${left}`;
    return outcome(
      'failedAfterMove',
      `the move of the primary to ${target} was asked for and not seen done: ${why}${also}; see who is primary with crm_mon`,
    );
  }
  if (left !== '')
    return outcome('cleanupLeft', `${why}; nothing was moved, but a clean-up is left: ${left}`);
  if (interrupt !== undefined) {
    return {
      name: 'interrupted',
      status: interrupt.status,
      message: `${interrupt.name}: rolled back, nothing was moved (${why})`,
    };
  }
  if (failure.step === 'check' || hasCode(failure.error, 'lock-held')) return outcome('refused', why);
  return outcome('rolledBack', `${why}; rolled back: clients run on the old primary`);
}

function outcome(name: keyof typeof exitStatus, message: string): Outcome {
  return { name, status: exitStatus[name], message };
}
