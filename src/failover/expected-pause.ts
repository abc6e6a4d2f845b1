import type { ExpectedPause, SwitchoverReport } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';

/** So many of the last ones count: a cluster changes over the years. */
const LAST = 10;

/** The steps between which clients wait for the cluster manager, and after which they run. */
const TELLING: readonly string[] = ['migrate', 'release'];

/**
 * How long clients waited in a switchover. Only one that moved the primary and let every client go on tells that: of
 * one that failed before the move, was rolled back or gave up on the target, the pause is how long the command
 * tried, and of one whose release failed nobody knows when the last client went on.
 */
function pauseOf({ pause, steps }: SwitchoverReport): readonly Milliseconds[] {
  const succeeded = steps.filter(({ error }) => error === '').map(({ name }) => name);
  return pause > 0 && TELLING.every((name) => succeeded.includes(name)) ? [pause] : [];
}

/**
 * How long clients waited in the last switchovers. Undefined when no report tells, and only then a switchover is refused
 * as one whose pause is not known. @param reports newest first
 */
export function expectedPause(reports: readonly SwitchoverReport[]): ExpectedPause | undefined {
  const sorted = reports
    .flatMap(pauseOf)
    .slice(0, LAST)
    .sort((a, b) => a - b);
  const longest = sorted.at(-1);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  if (longest === undefined || low === undefined || high === undefined) return undefined;
  return { median: (low + high) / 2, longest, count: sorted.length };
}
