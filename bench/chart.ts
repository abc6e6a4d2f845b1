import { histogram, type Window } from './measure.js';

/** Something that happened at one instant, to be shown beside the chart. */
export interface Mark {
  readonly at: number;
  readonly text: string;
}

export interface Series {
  readonly title: string;
  readonly times: readonly number[];
}

const step = 100;
const width = 24;

/**
 * Acknowledged writes per 100 ms as text: a line for each step, with a bar for each series and what
 * happened then. Steps in which all is as in the one before are not left out: that is the point.
 */
export function chart(series: readonly Series[], window: Window, marks: readonly Mark[]): string[] {
  const counts = series.map(({ times }) => histogram(times, window, step));
  const header = `${'seconds'.padStart(9)}  ${series.map(({ title }) => title.padEnd(width + 5)).join(' ')}`;
  const rows = (counts[0] ?? []).map((_, index) => {
    const from = window.from + index * step;
    const said = marks.filter(({ at }) => at >= from && at < from + step).map(({ text }) => text);
    const bars = counts.map((all) => bar(all[index] ?? 0, Math.max(1, ...all)));
    // Counted from the first mark, which is when the command was started.
    const label = ((from - (marks[0]?.at ?? window.from)) / 1_000).toFixed(1);
    return `${label.padStart(9)}  ${bars.join(' ')} ${said.join(', ')}`.trimEnd();
  });
  return [header.trimEnd(), ...rows];
}

function bar(count: number, most: number): string {
  // A single write must show, too.
  const length = Math.ceil((count / most) * width);
  return `${String(count).padStart(4)} ${'█'.repeat(length).padEnd(width)}`;
}
