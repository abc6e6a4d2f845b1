/** What one loss of the primary was like for clients, and the spread of several. Pure. */
import { details } from './breakdown.js';
import { summarise, type RunFigures } from './figures.js';
import type { LossResult } from './lose.js';
import { longestGap, longestWait, lostAndDoubt, mostPerClient, slowestRate, spread } from './measure.js';
import type { LossReport } from './loss.js';
import { clientsOf } from './switch.js';

/** The figures of one run; `manager` is counted from the fault to the first write that a node acknowledged to its prober. */
export interface LossFigures extends RunFigures {
  readonly errorsPerClient: number;
  /** Part of `manager`; undefined when the lost host was not fenced. */
  readonly fencing: number | undefined;
}

export function lossFigures(result: LossResult): LossFigures {
  const { window, struck, writable, acks, failures, targets } = result;
  const gap = longestGap(acks, window);
  const stall = gap.to - gap.from;
  const manager = writable - struck.from;
  const { lost, doubt } = lostAndDoubt(acks, failures, result.present);
  const clients = clientsOf(targets, () => true);
  return {
    stall,
    maxWait: longestWait(acks),
    manager,
    overhead: stall - manager,
    errors: failures.length,
    errorsPerClient: mostPerClient(failures),
    fencing: result.fencing,
    lost: lost.length,
    doubt: doubt.length,
    rate: slowestRate(acks, clients, { from: window.from, to: struck.from }),
  };
}

export function inWords(figures: LossFigures): string {
  const ms = (value: number): string => `${Math.round(value)} ms`;
  const { stall, maxWait, manager, overhead, errors, errorsPerClient, fencing, lost, doubt } = figures;
  const fenced = fencing === undefined ? '' : ` (${ms(fencing)} of it fencing)`;
  return (
    `stall ${ms(stall)}, of which the manager ${ms(manager)}${fenced}, overhead ${ms(overhead)}; ` +
    `longest wait ${ms(maxWait)}; ${errors} errors, at most ${errorsPerClient} a client, ` +
    `${lost} lost, ${doubt} in doubt`
  );
}

export function summariseLosses(
  runs: readonly LossFigures[],
): Omit<LossReport, 'bench' | 'fault' | 'clients'> {
  const fencing = runs.flatMap((run) => run.fencing ?? []);
  return {
    ...summarise(runs),
    ...(fencing.length > 0 ? { fencing_ms: spread(fencing) } : {}),
    errors_per_client_max: Math.max(0, ...runs.map(({ errorsPerClient }) => errorsPerClient)),
  };
}

const storyTailMs = 1_000;

/** What is told of one run: what happened when, counted from the fault, to the first write after the stall. */
export function storyOfLoss({ struck, writable, primary, acks, window, daemons }: LossResult): string[] {
  const gap = longestGap(acks, window);
  const seen = [
    { at: struck.from, what: '== struck' },
    { at: gap.from, what: '== the last acknowledged write' },
    { at: writable, what: `== ${primary.name} takes writes` },
    { at: gap.to, what: '== the first acknowledged write after the stall' },
    ...daemons.map(({ at, host, daemon, event, fields }) => ({
      at,
      what: `${host} ${daemon}: ${event} ${details(fields)}`,
    })),
  ];
  return seen
    .filter(({ at }) => at <= gap.to + storyTailMs)
    .sort((one, other) => one.at - other.at)
    .map(({ at, what }) => `${(at - struck.from).toFixed(0).padStart(8)} ms  ${what.trimEnd()}`);
}
