import { describeError, hasCode } from '../domain/errors.js';
import { events } from '../domain/events.js';
import { formatDuration } from '../runtime/durations.js';
import type { SwitchoverContext } from './context.js';
import type { Step } from './pipeline.js';

/**
 * Tells who interrupts a run whose move has begun, or that its lock was lost then: what goes on all the same, for how long at most, and what
 * becomes of it if it is ended nevertheless. Before the move there is nothing to tell: the run is taken back.
 *
 * @param left the steps that have not ended
 */
export function tellSeenThrough(
  context: SwitchoverContext,
  reason: unknown,
  left: readonly Step<SwitchoverContext>[],
): void {
  const { move, log, options } = context;
  if (move.kind === 'not-begun') return;
  // The report is written at the very end.
  const most = left.reduce((sum, { timeout }) => sum + (timeout?.(context) ?? 0), options.etcdTimeout);
  const names = left.map(({ name }) => name).join(', ');
  const what =
    move.kind === 'done'
      ? `the primary has been moved: finishing (${names}) rather than leaving that undone`
      : 'the move of the primary has begun: seeing it through rather than leaving it half-way';
  const next = hasCode(reason, 'lock-lost')
    ? 'without the lock the nodes refuse what is left'
    : 'a second Ctrl-C ends it at once';
  log.warn(
    events.failoverInterrupted,
    { reason: describeError(reason), step: left[0]?.name, at_most: formatDuration(most) },
    `${what}; ${next}: clients that still wait go on by pause-expiry, and pgcm cleanup takes back what is left`,
  );
}
