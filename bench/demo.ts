/** `npm run demo`: a switchover under load on a cluster of its own, shown and judged. */
import type { Playground } from '../playground/client.js';
import { chart, type Mark } from './chart.js';
import { onMachineClock } from './clock.js';
import { leadsTo, makeWhole, timelineOf } from './cluster.js';
import { runFailover, stepOf, type FailoverRun } from './failover-command.js';
import { complaints, figuresOf, isApp, isNode, type Match } from './figures.js';
import { longestWait } from './measure.js';
import { clientsOf, switchUnderLoad, type SwitchResult } from './switch.js';

export interface DemoOptions {
  readonly clients: number;
  readonly appClients: number;
  /** What goes on, as it happens; and what is shown as it is. */
  readonly tell: (line: string) => void;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

const leadMs = 3_000;
/** What the chart shows before and after the command's run. */
const marginMs = 700;

/** @returns what is not as it has to be; empty for a success */
export async function demonstrate(playground: Playground, options: DemoOptions): Promise<string[]> {
  const { tell, print, signal } = options;
  await showDryRun(playground, options);
  tell(
    `${options.clients} clients write through the bouncers of the Postgres nodes, ${options.appClients} through the app host's;` +
      ' each makes 50 or more inserts a second and never retries',
  );
  const result = await switchUnderLoad(playground, {
    spread: [
      { kinds: ['postgres'], clients: options.clients },
      { kinds: ['app'], clients: options.appClients },
    ],
    leadMs,
    format: 'logfmt',
    flags: ['--force'],
    onLog: print,
    signal,
  });
  const { command } = result;
  tell(`pgcm failover on ${command.node} ended with status ${command.status}`);
  show(result, print);
  return judge(playground, result);
}

/** What --force is about to override is shown first, as an operator would look at it. */
async function showDryRun(playground: Playground, { tell, print, signal }: DemoOptions): Promise<void> {
  tell('what would a failover do? pgcm failover --dry-run');
  const dryRun = await runFailover(playground, 'client01', {
    ...{ format: 'logfmt', flags: ['--dry-run'], onLog: print, signal },
  });
  tell(`pgcm failover --dry-run ended with status ${dryRun.status}`);
  tell(
    'this cluster was never switched over, so how long clients will wait is not on record: its first failover is ' +
      'refused unless forced, and every later one tells from the history',
  );
}

function show(result: SwitchResult, print: (line: string) => void): void {
  const { command, window } = result;
  print('');
  print('What the clients saw            errors    lost   longest wait   longest time without a write');
  print(row('  through the Postgres nodes', result, isNode));
  print(row('  through the app host', result, isApp));
  for (const line of complaints(result)) print(`    ${line}`);
  print('');
  print('Acknowledged writes per 100 ms');
  const series = [
    { title: '     Postgres nodes', times: timesOf(result, isNode) },
    { title: '     app host', times: timesOf(result, isApp) },
  ];
  const shown = {
    from: Math.max(window.from, command.started - marginMs),
    to: Math.min(window.to, command.ended + marginMs),
  };
  for (const line of chart(series, shown, marksOf(command))) print(line);
  print('');
}

function row(title: string, result: SwitchResult, match: Match): string {
  const { errors, lost, stall } = figuresOf(result, match);
  const clients = clientsOf(result.targets, match);
  // A statement that failed in the end has been waited for, too.
  const ended = [...result.acks, ...result.failures].filter(({ client }) => clients.includes(client));
  const cells = [
    String(errors),
    String(lost),
    `${Math.round(longestWait(ended))} ms`,
    `${Math.round(stall)} ms`,
  ];
  return `${title.padEnd(30)}${cells.map((cell, index) => cell.padStart([8, 8, 15, 20][index] ?? 0)).join('')}`;
}

function timesOf({ acks, targets }: SwitchResult, match: Match): number[] {
  const clients = new Set(clientsOf(targets, match));
  return acks.filter(({ client }) => clients.has(client)).map(({ done }) => done);
}

/** The command's start, its steps, and its end. */
function marksOf({ lines, started, ended }: FailoverRun): Mark[] {
  const steps = lines
    .filter(({ event }) => event === 'step.start' || event === 'undo.start')
    .map((line) => ({ at: onMachineClock(line.ts), text: stepOf(line) ?? '' }));
  return [{ at: started, text: 'pgcm failover starts' }, ...steps, { at: ended, text: 'it has ended' }];
}

async function judge(playground: Playground, result: SwitchResult): Promise<string[]> {
  const { before, command, primaries } = result;
  const problems: string[] = [];
  if (command.status !== 0) problems.push(`pgcm failover ended with status ${command.status}`);
  const { sync } = before;
  if (primaries.length !== 1 || primaries[0] !== sync.name) {
    const now = primaries.length === 0 ? 'nobody' : primaries.join(' and ');
    problems.push(`${sync.name} should be primary, but ${now} is`);
  } else {
    const timeline = await timelineOf(playground, sync.name);
    if (timeline <= before.timeline) {
      problems.push(`${sync.name} is on timeline ${timeline}, no newer than ${before.timeline} before`);
    }
  }
  for (const host of (await playground.hosts()).filter(({ kind }) => kind !== 'client')) {
    const address = await leadsTo(playground, host);
    if (address !== sync.address) problems.push(`the bouncer of ${host.name} leads to: ${address}`);
  }
  const { errors, lost } = figuresOf(result, isNode);
  if (errors > 0) problems.push(`${errors} writes through the nodes' bouncers failed`);
  if (lost > 0) problems.push(`${lost} acknowledged writes through the nodes' bouncers are lost`);
  return problems;
}

/** A playground that is kept should have its three nodes. */
export async function tidy(playground: Playground, signal: AbortSignal): Promise<void> {
  await makeWhole(playground, signal);
}
