/** What the clients' records say, in figures. Pure. Times are milliseconds on the machine's clock. */
import type { Ack, Failure } from './records.js';

export interface Window {
  readonly from: number;
  readonly to: number;
}

/**
 * The longest time without any acknowledged write, all clients merged. Also the times before the
 * first and after the last one count: a load that never came back is a stall, not an end.
 */
export function longestGap(acks: readonly Ack[], { from, to }: Window): Window {
  const times = acks.map(({ done }) => done).filter((at) => at > from && at < to);
  const marks = [from, ...times.sort((a, b) => a - b), to];
  const gaps = marks.slice(1).map((mark, index) => ({ from: marks[index] ?? from, to: mark }));
  return gaps.reduce((longest, gap) => (gap.to - gap.from > longest.to - longest.from ? gap : longest));
}

/** The slowest of these statements; 0 without any. */
export function longestWait(statements: readonly Pick<Ack, 'sent' | 'done'>[]): number {
  return statements.reduce((longest, { sent, done }) => Math.max(longest, done - sent), 0);
}

/** Acknowledged statements a second of the slowest client. */
export function slowestRate(acks: readonly Ack[], clients: readonly number[], { from, to }: Window): number {
  const inside = acks.filter(({ done }) => done >= from && done < to);
  const counts = clients.map((number) => inside.filter(({ client }) => client === number).length);
  return (Math.min(...counts) / (to - from)) * 1_000;
}

/**
 * @param present the ids that the new primary has
 * @returns lost: acknowledged, but not there; doubt: failed, yet there
 */
export function lostAndDoubt(
  acks: readonly Ack[],
  failures: readonly Failure[],
  present: ReadonlySet<number>,
): { lost: number[]; doubt: number[] } {
  return {
    lost: acks.map(({ id }) => id).filter((id) => !present.has(id)),
    doubt: failures.flatMap(({ id }) => (id !== undefined && present.has(id) ? [id] : [])),
  };
}

/** How many of these the client had that had most of them. */
export function mostPerClient(failures: readonly Pick<Failure, 'client'>[]): number {
  const counts = new Map<number, number>();
  for (const { client } of failures) counts.set(client, (counts.get(client) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Rounded to whole milliseconds. @throws without values */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => {
    const value = sorted[index];
    if (value === undefined) throw new Error('a spread needs at least one value');
    return value;
  };
  const [lower, upper] = [Math.floor((sorted.length - 1) / 2), Math.ceil((sorted.length - 1) / 2)];
  return {
    min: Math.round(at(0)),
    median: Math.round((at(lower) + at(upper)) / 2),
    max: Math.round(at(sorted.length - 1)),
  };
}

/** How many of these times fall into each step of the window. */
export function histogram(times: readonly number[], { from, to }: Window, step: number): number[] {
  const counts = new Array<number>(Math.max(0, Math.ceil((to - from) / step))).fill(0);
  for (const time of times) {
    const index = Math.floor((time - from) / step);
    if (index >= 0 && index < counts.length) counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}
