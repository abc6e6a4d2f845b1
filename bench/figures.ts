/** What one switchover was like for clients, and the spread of several. Pure. */
import { longestGap, longestWait, lostAndDoubt, slowestRate, spread, type Spread } from './measure.js';
import type { Target } from './records.js';
import { clientsOf, type SwitchResult } from './switch.js';

/** The figures of one run, in milliseconds and counts. */
export interface RunFigures {
  readonly stall: number;
  readonly maxWait: number;
  /** NaN when it was not seen. */
  readonly manager: number;
  /** stall - manager: what is pgcm's, the bouncers' and the clients'. */
  readonly overhead: number;
  readonly errors: number;
  readonly lost: number;
  readonly doubt: number;
  /** Acknowledged statements a second of the slowest client, before the move. */
  readonly rate: number;
}

/** Several runs of one kind, as the benchmark's last line shows them. */
export interface Figures {
  readonly runs: number;
  readonly stall_ms: Spread;
  readonly max_wait_ms: Spread;
  readonly manager_ms: Spread;
  readonly overhead_ms: Spread;
  /** Runs of which manager and overhead are not known: theirs are of the others. */
  readonly manager_unknown: number;
  readonly errors: number;
  readonly lost: number;
  readonly doubt: number;
}

export type Match = (target: Pick<Target, 'name'>) => boolean;

export const isNode: Match = ({ name }) => name.startsWith('pg');
export const isApp: Match = (target) => !isNode(target);
export const everyTarget: Match = () => true;

/** The figures for the clients of some of the bouncers. */
export function figuresOf(result: SwitchResult, match: Match): RunFigures {
  const { window, command, moveIssued, writable } = result;
  const clients = clientsOf(result.targets, match);
  const acks = result.acks.filter(({ client }) => clients.includes(client));
  const failures = result.failures.filter(({ client }) => clients.includes(client));
  const { lost, doubt } = lostAndDoubt(acks, failures, result.present);
  const gap = longestGap(acks, window);
  const stall = gap.to - gap.from;
  const manager = moveIssued === undefined || writable === undefined ? Number.NaN : writable - moveIssued;
  return {
    stall,
    maxWait: longestWait(acks),
    manager,
    overhead: stall - manager,
    errors: failures.length,
    lost: lost.length,
    doubt: doubt.length,
    rate: slowestRate(acks, clients, { from: window.from, to: command.started }),
  };
}

export function inWords({ stall, maxWait, manager, overhead, errors, lost, doubt }: RunFigures): string {
  const ms = (value: number): string => (Number.isNaN(value) ? 'not known' : `${Math.round(value)} ms`);
  return (
    `stall ${ms(stall)}, of which the manager ${ms(manager)}, overhead ${ms(overhead)}; ` +
    `longest wait ${ms(maxWait)}; ${errors} errors, ${lost} lost, ${doubt} in doubt`
  );
}

export function summarise(figures: readonly RunFigures[]): Figures {
  const total = (of: (run: RunFigures) => number): number => figures.reduce((sum, run) => sum + of(run), 0);
  const known = figures.filter(({ manager }) => !Number.isNaN(manager));
  const timed = known.length > 0 ? known : figures;
  return {
    runs: figures.length,
    stall_ms: spread(figures.map(({ stall }) => stall)),
    max_wait_ms: spread(figures.map(({ maxWait }) => maxWait)),
    manager_ms: spread(timed.map(({ manager }) => manager)),
    overhead_ms: spread(timed.map(({ overhead }) => overhead)),
    manager_unknown: figures.length - known.length,
    errors: total(({ errors }) => errors),
    lost: total(({ lost }) => lost),
    doubt: total(({ doubt }) => doubt),
  };
}

/** The distinct failures, each once, with the bouncer through which they came. */
export function complaints({ failures, targets }: Pick<SwitchResult, 'failures' | 'targets'>): string[] {
  const names = targets.flatMap(({ name, clients }) => Array.from({ length: clients }, () => name));
  const counts = new Map<string, number>();
  for (const { client, during, message } of failures) {
    const text = `${names[client] ?? ''}: ${during}: ${message}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => `${count} x ${text}`);
}
