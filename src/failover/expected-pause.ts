import type { ExpectedPause, SwitchoverReport } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';

/** So many of the last ones count: a cluster changes over the years. */
const LAST = 10;

/** How long clients waited in the last switchovers that were done, newest first. */
export function pausesOf(reports: readonly SwitchoverReport[]): readonly Milliseconds[] {
  const done = reports.filter(
    ({ status, pause, to }) => (status === 0 || status === 6) && pause > 0 && to !== undefined,
  );
  return done.slice(0, LAST).map(({ pause }) => pause);
}

/** Undefined when there is no history to tell from. */
export function expectedPause(reports: readonly SwitchoverReport[]): ExpectedPause | undefined {
  const sorted = [...pausesOf(reports)].sort((a, b) => a - b);
  const longest = sorted.at(-1);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  if (longest === undefined || low === undefined || high === undefined) return undefined;
  return { median: (low + high) / 2, longest, count: sorted.length };
}
