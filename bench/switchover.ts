/** `bench switchover`: how long clients wait when the primary is moved, and how much of it is pgcm's. */
import type { Playground } from '../playground/client.js';
import { makeWhole } from './cluster.js';
import { longestSilence, longestWait, lostAndDoubt, slowestRate, spread, type Spread } from './measure.js';
import { clientsOf, switchUnderLoad, type SwitchResult } from './switch.js';

/** The figures of one run, in milliseconds and counts. */
export interface RunFigures {
  readonly stall: number;
  readonly maxWait: number;
  readonly manager: number;
  /** stall - manager: what is pgcm's, the bouncers' and the clients'. */
  readonly overhead: number;
  readonly errors: number;
  readonly lost: number;
  readonly doubt: number;
  /** Acknowledged statements a second of the slowest client, before the move. */
  readonly rate: number;
}

/** The last line of the benchmark's output. */
export interface SwitchoverReport {
  readonly bench: 'switchover';
  readonly runs: number;
  readonly stall_ms: Spread;
  readonly max_wait_ms: Spread;
  readonly manager_ms: Spread;
  readonly overhead_ms: Spread;
  readonly errors: number;
  readonly lost: number;
  readonly doubt: number;
}

export interface SwitchoverOptions {
  readonly runs: number;
  readonly clients: number;
  readonly appClients: number;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What each client has to reach for the figures to mean anything. */
const leastRate = 50;
const leadMs = 3_000;

export async function benchSwitchover(
  playground: Playground,
  options: SwitchoverOptions,
): Promise<SwitchoverReport> {
  const { runs, print, signal } = options;
  const figures: RunFigures[] = [];
  for (let run = 1; run <= runs; run++) {
    await makeWhole(playground, signal);
    const result = await switchUnderLoad(playground, { ...options, leadMs, format: 'json' });
    requireMove(result);
    const own = figuresOf(result, isNode);
    print(`run ${run}: ${result.before.primary.name} -> ${result.before.sync.name}: ${inWords(own)}`);
    if (own.rate < leastRate) {
      print(
        `  the slowest client had only ${own.rate.toFixed(0)} statements a second: the machine is too busy`,
      );
    }
    if (result.longestProbeGap > 10) {
      print(
        `  the prober once looked ${result.longestProbeGap.toFixed(0)} ms apart: manager is that much less sure`,
      );
    }
    if (options.appClients > 0) print(`  through the app hosts: ${inWords(figuresOf(result, isApp))}`);
    figures.push(own);
  }
  await makeWhole(playground, signal);
  return summarise(figures);
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

export function isNode({ name }: { readonly name: string }): boolean {
  return name.startsWith('pg');
}

export function isApp(target: { readonly name: string }): boolean {
  return !isNode(target);
}

/** The figures for the clients of some of the bouncers. */
export function figuresOf(
  result: SwitchResult,
  match: (target: { readonly name: string }) => boolean,
): RunFigures {
  const { window, command, moveIssued, writable } = result;
  const clients = clientsOf(result.targets, match);
  const acks = result.acks.filter(({ client }) => clients.includes(client));
  const failures = result.failures.filter(({ client }) => clients.includes(client));
  const { lost, doubt } = lostAndDoubt(acks, failures, result.present);
  const stall = longestSilence(acks, window);
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

function inWords({ stall, maxWait, manager, overhead, errors, lost, doubt }: RunFigures): string {
  const ms = (value: number): string => `${Math.round(value)} ms`;
  return (
    `stall ${ms(stall)}, of which the manager ${ms(manager)}, overhead ${ms(overhead)}; ` +
    `longest wait ${ms(maxWait)}; ${errors} errors, ${lost} lost, ${doubt} in doubt`
  );
}

export function summarise(figures: readonly RunFigures[]): SwitchoverReport {
  const total = (of: (run: RunFigures) => number): number => figures.reduce((sum, run) => sum + of(run), 0);
  return {
    bench: 'switchover',
    runs: figures.length,
    stall_ms: spread(figures.map(({ stall }) => stall)),
    max_wait_ms: spread(figures.map(({ maxWait }) => maxWait)),
    manager_ms: spread(figures.map(({ manager }) => manager)),
    overhead_ms: spread(figures.map(({ overhead }) => overhead)),
    errors: total(({ errors }) => errors),
    lost: total(({ lost }) => lost),
    doubt: total(({ doubt }) => doubt),
  };
}
