/** `bench loss`: how long clients wait when the primary is lost, and how much of it is pgcm's. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../playground/client.js';
import { makeWhole } from './cluster.js';
import { faults, restore, type FaultName } from './faults.js';
import { complaints, type Figures } from './figures.js';
import type { Spread } from './measure.js';
import { loseUnderLoad, type LossResult } from './lose.js';
import { inWords, lossFigures, storyOfLoss, summariseLosses, type LossFigures } from './loss-figures.js';
import { leastRate } from './under-load.js';

export interface LossBenchOptions {
  readonly fault: FaultName;
  readonly runs: number;
  readonly clients: number;
  readonly breakdown: boolean;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface LossReport extends Figures {
  readonly bench: 'loss';
  readonly fault: FaultName;
  readonly clients: number;
  readonly errors_per_client_max: number;
  /** Of the runs in which the lost host was fenced: part of manager_ms. */
  readonly fencing_ms?: Spread;
}

const leadMs = 3_000;
/** For what a node that came back does beside being whole: etcd's catching up, Pacemaker's own looks. */
const calmMs = 5_000;

export async function benchLoss(playground: Playground, options: LossBenchOptions): Promise<LossReport> {
  const { fault, runs, clients, print, signal } = options;
  await makeWhole(playground, signal);
  const figures: LossFigures[] = [];
  for (let number = 1; number <= runs; number++) {
    figures.push(await measure(playground, options, number));
    if (number < runs) await delay(calmMs, undefined, { signal });
  }
  print(`${runs} x ${faults[fault].words}`);
  return { bench: 'loss', fault, clients, ...summariseLosses(figures) };
}

async function measure(
  playground: Playground,
  { fault, clients, breakdown, print, signal }: LossBenchOptions,
  number: number,
): Promise<LossFigures> {
  const result = await loseUnderLoad(playground, { fault, clients, leadMs, signal });
  const { before, primary } = result;
  const figures = lossFigures(result);
  print(`run ${number}: ${before.primary.name} lost, ${primary.name} takes writes: ${inWords(figures)}`);
  for (const line of [...complaints(result), ...doubts(result, figures)]) print(`  ${line}`);
  if (breakdown) for (const line of storyOfLoss(result)) print(line);
  await restore(playground, fault, before.primary, primary, signal);
  return figures;
}

/** What makes the figures of this run less sure. */
function doubts({ struck }: LossResult, { rate }: LossFigures): string[] {
  const took = struck.to - struck.from;
  return [
    ...(rate < leastRate
      ? [`the slowest client had only ${rate.toFixed(0)} statements a second: the machine is too busy`]
      : []),
    ...(took > 100 ? [`the fault took ${took.toFixed(0)} ms: manager is counted from its beginning`] : []),
  ];
}
