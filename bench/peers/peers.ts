/** `bench peers`: what clients see of a moved or lost primary, with pgcm and with other cluster managers. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../../playground/client.js';
import { complaints } from '../figures.js';
import { leastRate } from '../under-load.js';
import { withPlayground } from '../with-playground.js';
import { Refused, type Contender, type PeerEvent, type Way } from './contender.js';
import { contenders } from './contenders.js';
import { observe, type Observation } from './observe.js';
import { inWords, peerRun, summarisePeer, type PeerFigures, type PeerRun } from './peer-figures.js';
import { table, type Row } from './table.js';
import { ownVersions, versionsOf } from './versions.js';

export interface PeersOptions {
  readonly event: PeerEvent;
  readonly runs: number;
  readonly clients: number;
  /** Names of contenders; all unless given. */
  readonly only: readonly string[];
  /** Of the playgrounds, one after the other. */
  readonly name: string;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface PeersReport {
  readonly bench: 'peers';
  readonly event: PeerEvent;
  readonly clients: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly contenders: Readonly<Record<string, PeerFigures>>;
}

interface Series extends Row {
  readonly key: string;
}

interface Results {
  readonly series: readonly Series[];
  readonly versions: Readonly<Record<string, string>>;
}

const mostTries = 3;
const retryMs = 5_000;
const sharedPackages = ['postgresql-15'];

/** One cluster after the other: each has the machine for itself. The table is printed last. */
export async function benchPeers(options: PeersOptions): Promise<PeersReport> {
  const { event, clients, only, print } = options;
  const results: Results[] = [];
  for (const contender of contenders.filter(({ name }) => only.length === 0 || only.includes(name))) {
    results.push(await measureContender(contender, options));
  }
  const series = results.flatMap((result) => result.series);
  const versions = Object.fromEntries([
    ...Object.entries(await ownVersions(options.signal)),
    ...results.flatMap((result) => Object.entries(result.versions)),
  ]);
  print('the table, as the README has it:');
  for (const line of table(event, series)) console.error(line);
  print(
    `versions: ${Object.entries(versions)
      .map((pair) => pair.join(' '))
      .join(', ')}`,
  );
  return {
    bench: 'peers',
    ...{ event, clients },
    versions,
    contenders: Object.fromEntries(series.map(({ key, figures }) => [key, figures])),
  };
}

async function measureContender(contender: Contender, options: PeersOptions): Promise<Results> {
  const { name, print, signal } = options;
  print(`== ${contender.name}`);
  const choice = { name, up: contender.up, running: false, keep: false, log: print, signal };
  return withPlayground<Results>(choice, async (playground) => {
    await contender.begin(playground, signal);
    const series: Series[] = [];
    for (const way of contender.ways.filter(({ only }) => only === undefined || only === options.event))
      series.push(await measureWay(playground, contender, way, options));
    return { series, versions: await versionsOf(playground, [...sharedPackages, ...contender.packages]) };
  });
}

async function measureWay(
  playground: Playground,
  contender: Contender,
  way: Way,
  options: PeersOptions,
): Promise<Series> {
  const { runs, print, signal } = options;
  await way.prepare?.(playground, signal);
  const found: PeerRun[] = [];
  for (let number = 1; number <= runs; number++) {
    const seen = await untilDone(playground, contender, way, options);
    const run = peerRun(seen);
    print(`${way.title}, run ${number}: ${seen.from.name} -> ${seen.to.name}: ${inWords(run)}`);
    for (const line of [...complaints(seen), ...doubts(run)]) print(`  ${line}`);
    if (options.event === 'loss') await contender.restore(playground, seen.from, seen.to, signal);
    else await contender.settle(playground, signal);
    found.push(run);
  }
  return { key: way.key, title: way.title, figures: summarisePeer(found) };
}

/** One that the manager refused has touched nothing: it is told, and tried again. */
async function untilDone(
  playground: Playground,
  contender: Contender,
  way: Way,
  options: PeersOptions,
): Promise<Observation> {
  for (let tries = 1; ; tries++) {
    try {
      return await observe(playground, contender, way, options);
    } catch (error) {
      if (!(error instanceof Refused) || tries === mostTries) throw error;
      options.print(`  refused, nothing was touched: ${error.message}`);
      await delay(retryMs, undefined, { signal: options.signal });
    }
  }
}

/** What makes the figures of this run less sure. */
function doubts({ rate }: PeerRun): string[] {
  return rate < leastRate
    ? [`the slowest client had only ${rate.toFixed(0)} statements a second: the machine is too busy`]
    : [];
}
