/** One switchover under load, seen from the clients and from an independent prober. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../playground/client.js';
import type { HostKind } from '../playground/plan.js';
import { isPrimary, rolesOf, sql, type Roles } from './cluster.js';
import { daemonLines, moveIssuedAt, type DaemonLine } from './daemon-logs.js';
import { runFailover, type FailoverRun } from './failover-command.js';
import { InsideProgram } from './inside-program.js';
import type { Window } from './measure.js';
import type { Ack, Failure, LoadConfig, LoadRecord, ProbeConfig, ProbeRecord, Target } from './records.js';

/** So many clients, spread evenly over the bouncers of these kinds of hosts. */
export interface Spread {
  readonly kinds: readonly HostKind[];
  readonly clients: number;
}

export interface SwitchOptions {
  /** How many clients write through the bouncers of which hosts. */
  readonly spread: readonly Spread[];
  /** Load before the command starts, and after it has ended. */
  readonly leadMs: number;
  readonly format: 'json' | 'logfmt';
  /** More flags for the command. */
  readonly flags?: readonly string[];
  /** Another load beside the clients: started before the lead, ended after it. */
  readonly beside?: (roles: Roles) => Promise<{ stop(): Promise<void> }>;
  readonly onLog?: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface SwitchResult {
  readonly before: Roles;
  /** The nodes that take writes afterwards. */
  readonly primaries: readonly string[];
  readonly command: FailoverRun;
  readonly targets: readonly Target[];
  /** From the first to the last instant at which the clients wrote. */
  readonly window: Window;
  readonly acks: readonly Ack[];
  readonly failures: readonly Failure[];
  /** The ids that the new primary itself has; empty when there is none. */
  readonly present: ReadonlySet<number>;
  /** What the daemons logged meanwhile. */
  readonly daemons: readonly DaemonLine[];
  /** When Pacemaker was asked to move, and when the target acknowledged a write to the prober. */
  readonly moveIssued: number | undefined;
  readonly writable: number | undefined;
  /** The prober's longest time between two looks. */
  readonly longestProbeGap: number;
}

/** A load that is never told to stop ends after this. */
const longestSeconds = 300;
/**
 * Longer than a pause lasts at most: the patience of these clients is not what is measured. A statement may
 * hang for so long when the load is told to stop.
 */
const statementTimeoutMs = 30_000;
/** A little more than the 50 a second that each client has to reach, as timers are late, never early. */
const rate = 55;
const tables = { load: 'bench_load', prober: 'bench_prober' } as const;

export async function switchUnderLoad(playground: Playground, options: SwitchOptions): Promise<SwitchResult> {
  const { signal } = options;
  const before = await rolesOf(playground);
  await makeTables(playground, before.primary.name);
  const targets = await targetsOf(playground, options.spread);
  const beside = await options.beside?.(before);
  const prober = await InsideProgram.start<ProbeRecord>(playground, 'prober-main', {
    host: before.sync.address,
    port: 5432,
    table: tables.prober,
    seconds: longestSeconds,
    intervalMs: 5,
  } satisfies ProbeConfig);
  const load = await InsideProgram.start<LoadRecord>(playground, 'load-main', {
    targets,
    table: tables.load,
    seconds: longestSeconds,
    rate,
    statementTimeoutMs,
  } satisfies LoadConfig);
  try {
    await Promise.all([prober.reached('recovery', signal), load.reached('started', signal)]);
    await delay(options.leadMs, undefined, { signal });
    // From the node that is neither, so that neither's work is the command's.
    const command = await runFailover(playground, await commandNode(playground, before), options);
    await delay(options.leadMs, undefined, { signal });
    await load.stop(statementTimeoutMs + 15_000);
    await prober.stop(5_000);
    await beside?.stop();
    const seen = { before, command, targets, ...clientsView(load.records), ...probersView(prober.records) };
    return { ...seen, ...(await afterwards(playground, before, command)) };
  } finally {
    load.kill();
    prober.kill();
    await beside?.stop();
  }
}

async function makeTables(playground: Playground, primary: string): Promise<void> {
  const statements = [
    `drop table if exists ${tables.load}, ${tables.prober}`,
    `create table ${tables.load} (id bigint primary key, client int not null)`,
    `create table ${tables.prober} (at timestamptz not null default clock_timestamp())`,
    `alter table ${tables.load} owner to app`,
    `alter table ${tables.prober} owner to app`,
  ];
  await sql(playground, primary, statements.join('; '), 'app');
}

async function targetsOf(playground: Playground, spread: readonly Spread[]): Promise<Target[]> {
  const hosts = await playground.hosts();
  const over = ({ kinds, clients }: Spread): Target[] => {
    const bouncers = hosts.filter(({ kind }) => kinds.includes(kind));
    return bouncers.map(({ name, address }, index) => ({
      name,
      host: address,
      port: 6432,
      clients: Math.floor(clients / bouncers.length) + (index < clients % bouncers.length ? 1 : 0),
    }));
  };
  return spread.flatMap(over).filter((target) => target.clients > 0);
}

async function commandNode(playground: Playground, { primary, sync }: Roles): Promise<string> {
  const nodes = await playground.hosts('postgres');
  const third = nodes.find(({ name }) => name !== primary.name && name !== sync.name);
  return (third ?? sync).name;
}

function clientsView(records: readonly LoadRecord[]): Pick<SwitchResult, 'acks' | 'failures' | 'window'> {
  const acks = records.filter((record) => record.kind === 'ack');
  const failures = records.filter((record) => record.kind === 'failure');
  const started = records.find((record) => record.kind === 'started');
  const ended = records.find((record) => record.kind === 'ended');
  if (started === undefined || ended === undefined) throw new Error('the load did not run to its end');
  return { acks, failures, window: { from: started.at, to: ended.stopped } };
}

function probersView(records: readonly ProbeRecord[]): Pick<SwitchResult, 'writable' | 'longestProbeGap'> {
  const writable = records.find((record) => record.kind === 'writable');
  const ended = records.find((record) => record.kind === 'ended');
  return { writable: writable?.at, longestProbeGap: ended?.longestGap ?? Number.NaN };
}

async function afterwards(
  playground: Playground,
  { sync }: Roles,
  command: FailoverRun,
): Promise<Pick<SwitchResult, 'primaries' | 'present' | 'daemons' | 'moveIssued'>> {
  const nodes = (await playground.hosts('postgres')).map(({ name }) => name);
  const answers = await Promise.all(nodes.map((name) => isPrimary(playground, name)));
  const primaries = nodes.filter((_, index) => answers[index]);
  const [primary] = primaries;
  const ids =
    primary === undefined ? '' : await sql(playground, primary, `select id from ${tables.load}`, 'app');
  const daemons = await daemonLines(playground, command);
  return {
    primaries,
    daemons,
    present: new Set(
      ids
        .split('\n')
        .filter((line) => line !== '')
        .map(Number),
    ),
    moveIssued: moveIssuedAt(daemons, sync.name),
  };
}

/** Client numbers of the targets that match, in the order in which the load numbers them. */
export function clientsOf(targets: readonly Target[], match: (target: Target) => boolean): number[] {
  return targets
    .flatMap((target) => Array.from({ length: target.clients }, () => target))
    .flatMap((target, number) => (match(target) ? [number] : []));
}
