/** Clients that write through the bouncers while something happens to the primary, and what they saw. */
import type { Playground } from '../playground/client.js';
import type { HostStatus } from '../playground/protocol.js';
import { sql } from './cluster.js';
import { InsideProgram } from './inside-program.js';
import type { Window } from './measure.js';
import type { Ack, Failure, LoadConfig, LoadRecord, ProbeConfig, ProbeRecord, Target } from './records.js';

/** What the clients saw. */
export interface ClientsView {
  /** From the first to the last instant at which the clients wrote. */
  readonly window: Window;
  readonly acks: readonly Ack[];
  readonly failures: readonly Failure[];
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
/** What each client has to reach for the figures to mean anything. */
export const leastRate = 50;
const tables = { load: 'bench_load', prober: 'bench_prober' } as const;

/** Empty tables for the clients and the probers. */
export async function makeTables(playground: Playground, primary: string): Promise<void> {
  const statements = [
    `drop table if exists ${tables.load}, ${tables.prober}`,
    `create table ${tables.load} (id bigint primary key, client int not null)`,
    `create table ${tables.prober} (at timestamptz not null default clock_timestamp())`,
    `alter table ${tables.load} owner to app`,
    `alter table ${tables.prober} owner to app`,
  ];
  await sql(playground, primary, statements.join('; '), 'app');
}

/** So many clients, spread evenly over the bouncers of these hosts. */
export function spreadOver(hosts: readonly HostStatus[], clients: number): Target[] {
  return hosts
    .map(({ name, address }, index) => ({
      name,
      host: address,
      port: 6432,
      clients: Math.floor(clients / hosts.length) + (index < clients % hosts.length ? 1 : 0),
    }))
    .filter((target) => target.clients > 0);
}

export function startLoad(
  playground: Playground,
  targets: readonly Target[],
): Promise<InsideProgram<LoadRecord>> {
  return InsideProgram.start<LoadRecord>(playground, 'load-main', {
    targets,
    table: tables.load,
    seconds: longestSeconds,
    rate,
    statementTimeoutMs,
  } satisfies LoadConfig);
}

/** Stop it, and wait until no statement is under way any more. */
export async function stopLoad(load: InsideProgram<LoadRecord>): Promise<ClientsView> {
  await load.stop(statementTimeoutMs + 15_000);
  const acks = load.records.filter((record) => record.kind === 'ack');
  const failures = load.records.filter((record) => record.kind === 'failure');
  const started = load.records.find((record) => record.kind === 'started');
  const ended = load.records.find((record) => record.kind === 'ended');
  if (started === undefined || ended === undefined) throw new Error('the load did not run to its end');
  return { acks, failures, window: { from: started.at, to: ended.stopped } };
}

/** Asks this host's PostgreSQL itself, not a bouncer. */
export function startProber(
  playground: Playground,
  { address }: HostStatus,
  intervalMs: number,
): Promise<InsideProgram<ProbeRecord>> {
  return InsideProgram.start<ProbeRecord>(playground, 'prober-main', {
    host: address,
    port: 5432,
    table: tables.prober,
    seconds: longestSeconds,
    intervalMs,
  } satisfies ProbeConfig);
}

/** The ids that this node has. */
export async function idsIn(playground: Playground, node: string): Promise<ReadonlySet<number>> {
  const ids = await sql(playground, node, `select id from ${tables.load}`, 'app');
  return new Set(
    ids
      .split('\n')
      .filter((line) => line !== '')
      .map(Number),
  );
}
