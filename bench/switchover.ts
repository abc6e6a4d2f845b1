/** `bench switchover`: how long clients wait when the primary is moved, and how much of it is pgcm's. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../playground/client.js';
import { milestonesOf, story, summariseStretches, type Milestones } from './breakdown.js';
import { makeWhole, untilWhole, type Roles } from './cluster.js';
import { hadSwitchover } from './earlier-switchover.js';
import { messageOf } from './errors.js';
import {
  complaints,
  everyTarget,
  figuresOf,
  inWords,
  summarise,
  type Figures,
  type RunFigures,
} from './figures.js';
import type { Spread } from './measure.js';
import { addCounts, initialise, Pgbench, type PgbenchCounts, type PgbenchOptions } from './pgbench.js';
import { withProxies } from './proxies.js';
import { switchUnderLoad, type SwitchOptions, type SwitchResult } from './switch.js';
import { leastRate } from './under-load.js';

export interface SwitchoverOptions {
  readonly runs: number;
  /** Over the bouncers of all Postgres nodes and app hosts. */
  readonly clients: number;
  readonly breakdown: boolean;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Runs of one kind. */
export interface Series extends Figures {
  /** With `--breakdown`: from each moment on a waiting client's way to the next. */
  readonly breakdown?: Readonly<Record<string, Spread>>;
}

export type SwitchoverReport = { readonly bench: 'switchover' } & Series;

export type PgbenchSeries = Series & { readonly pgbench: PgbenchCounts };

export interface PgbenchReport {
  readonly bench: 'switchover';
  readonly pgbench: PgbenchOptions;
  readonly with_checkpoint: PgbenchSeries;
  readonly without_checkpoint: PgbenchSeries;
}

export interface ProxiesReport {
  readonly bench: 'switchover';
  readonly proxies: number;
  readonly without_proxies: Series;
  readonly with_proxies: Series;
  /** By how much the median of the overhead grows with the proxies. */
  readonly growth_ms: number;
}

/** The exit status of a command whose checks refused, how often a run is tried then, and how soon again. */
const refused = 3;
const mostTries = 3;
const retryMs = 5_000;
const leadMs = 3_000;
/** The command ends when the old primary streams; Pacemaker takes note of it some seconds later. */
const rejoinMs = 20_000;
/** With pgbench, for buffers to be dirty. */
const dirtyingMs = 10_000;

export async function benchSwitchover(
  playground: Playground,
  options: SwitchoverOptions,
): Promise<SwitchoverReport> {
  await prepare(playground, options.signal);
  return { bench: 'switchover', ...(await measureSeries(playground, options, '')) };
}

/** These are not about the first switchover of a cluster, which is refused unless forced. */
async function prepare(playground: Playground, signal: AbortSignal): Promise<void> {
  await makeWhole(playground, signal);
  await hadSwitchover(playground);
}

/** With pgbench's write load beside the clients, with and without the checkpoint step, in turns. */
export async function benchWithPgbench(
  playground: Playground,
  options: SwitchoverOptions,
  pgbench: PgbenchOptions,
): Promise<PgbenchReport> {
  await prepare(playground, options.signal);
  const kinds = {
    with_checkpoint: new PgbenchRuns([]),
    without_checkpoint: new PgbenchRuns(['--no-checkpoint']),
  };
  for (let number = 1; number <= options.runs; number++) {
    for (const [name, kind] of Object.entries(kinds)) {
      await kind.run(playground, options, pgbench, `${number} ${name.replace('_', ' ')}`);
    }
  }
  return {
    bench: 'switchover',
    pgbench,
    with_checkpoint: kinds.with_checkpoint.series(options),
    without_checkpoint: kinds.without_checkpoint.series(options),
  };
}

/** Runs with pgbench beside them, all with the same flags for the command. */
class PgbenchRuns {
  readonly #runs: Run[] = [];
  readonly #counts: PgbenchCounts[] = [];

  constructor(private readonly flags: readonly string[]) {}

  async run(
    playground: Playground,
    options: SwitchoverOptions,
    pgbench: PgbenchOptions,
    title: string,
  ): Promise<void> {
    let load: Pgbench | undefined;
    const beside = async ({ primary, sync }: Roles): Promise<Pgbench> => {
      options.print(
        `pgbench: making tables of scale ${pgbench.scale} on ${primary.name} if they are not there`,
      );
      await initialise(playground, primary, pgbench);
      return (load = await Pgbench.start(playground, sync, pgbench));
    };
    this.#runs.push(
      await measure(playground, options, title, { flags: this.flags, leadMs: dirtyingMs, beside }),
    );
    if (load === undefined) throw new Error('pgbench was not started');
    this.#counts.push(load.counts);
    options.print(`  pgbench: ${load.counts.transactions} transactions, ${load.counts.errors} errors`);
    for (const error of load.errors.slice(0, 5)) options.print(`    ${error}`);
  }

  series(options: SwitchoverOptions): PgbenchSeries {
    return { ...seriesOf(this.#runs, options), pgbench: addCounts(this.#counts) };
  }
}

/** Without, and then with so many more registered proxies. */
export async function benchWithProxies(
  playground: Playground,
  options: SwitchoverOptions,
  proxies: number,
): Promise<ProxiesReport> {
  await prepare(playground, options.signal);
  const without = await measureSeries(playground, options, ' without more proxies');
  const series = await withProxies(playground, { ...options, count: proxies }, () =>
    measureSeries(playground, options, ` with ${proxies} more proxies`),
  );
  return {
    bench: 'switchover',
    proxies,
    without_proxies: without,
    with_proxies: series,
    growth_ms: series.overhead_ms.median - without.overhead_ms.median,
  };
}

interface Run {
  readonly figures: RunFigures;
  readonly milestones: Milestones;
}

async function measureSeries(
  playground: Playground,
  options: SwitchoverOptions,
  kind: string,
): Promise<Series> {
  const runs: Run[] = [];
  for (let number = 1; number <= options.runs; number++) {
    runs.push(await measure(playground, options, `${number}${kind}`, { leadMs }));
  }
  return seriesOf(runs, options);
}

function seriesOf(runs: readonly Run[], { breakdown }: SwitchoverOptions): Series {
  const figures = summarise(runs.map((run) => run.figures));
  if (!breakdown) return figures;
  return { ...figures, breakdown: summariseStretches(runs.map(({ milestones }) => milestones)) };
}

/** One switchover; afterwards the cluster is whole again, by pgcm's own rejoin. */
async function measure(
  playground: Playground,
  options: SwitchoverOptions,
  title: string,
  how: Pick<SwitchOptions, 'leadMs' | 'flags' | 'beside'>,
): Promise<Run> {
  const { breakdown, print, signal } = options;
  const result = await untilDone(playground, options, how);
  const figures = figuresOf(result, everyTarget);
  print(`run ${title}: ${result.before.primary.name} -> ${result.before.sync.name}: ${inWords(figures)}`);
  for (const line of [...complaints(result), ...doubts(result, figures)]) print(`  ${line}`);
  if (breakdown) for (const line of story(result)) print(line);
  await untilWhole(playground, signal, rejoinMs).catch(async (error: unknown) => {
    signal.throwIfAborted();
    print(`  the command's own rejoin did not make the cluster whole: ${messageOf(error)}`);
    await makeWhole(playground, signal);
  });
  return { figures, milestones: milestonesOf(result) };
}

/** A run that the command's checks refused has touched nothing: it is told, and tried again. */
async function untilDone(
  playground: Playground,
  { clients, print, signal }: SwitchoverOptions,
  how: Pick<SwitchOptions, 'leadMs' | 'flags' | 'beside'>,
): Promise<SwitchResult> {
  for (let tries = 1; ; tries++) {
    const result = await switchUnderLoad(playground, {
      spread: [{ kinds: ['postgres', 'app'], clients }],
      format: 'json',
      signal,
      ...how,
    });
    if (result.command.status !== refused || tries === mostTries) {
      requireMove(result);
      return result;
    }
    print(`  refused, nothing was touched: ${String(result.command.lines.at(-1)?.fields['msg'])}`);
    await delay(retryMs, undefined, { signal });
  }
}

/** What makes the figures of this run less sure. */
function doubts({ longestProbeGap, moveIssued, writable }: SwitchResult, { rate }: RunFigures): string[] {
  return [
    ...(rate < leastRate
      ? [`the slowest client had only ${rate.toFixed(0)} statements a second: the machine is too busy`]
      : []),
    ...(longestProbeGap > 10
      ? [`the prober once looked ${longestProbeGap.toFixed(0)} ms apart: manager is that much less sure`]
      : []),
    ...(moveIssued === undefined
      ? ['no supervise that answers has logged that it asked Pacemaker to move']
      : []),
    ...(writable === undefined ? ['the prober saw no write on the target'] : []),
  ];
}

/** @throws when there was no switchover to measure, with the end of the command's log */
function requireMove({ command, before, primaries }: SwitchResult): void {
  if (command.status === 0 && primaries.length === 1 && primaries[0] === before.sync.name) return;
  const end = command.lines.slice(-8).map(({ text }) => `    ${text}`);
  const now = primaries.length === 0 ? 'nobody' : primaries.join(', ');
  throw new Error(
    [
      `pgcm failover on ${command.node} ended with ${command.status}; primary is ${now}, not ${before.sync.name}:`,
      ...end,
    ].join('\n'),
  );
}
