import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../playground/client.js';
import { asPostgres, missingInCluster, type Missing } from '../playground/cluster.js';
import type { RunResult } from '../playground/exec.js';
import type { HostStatus } from '../playground/protocol.js';
import { rejoin } from '../playground/rejoin.js';
import { messageOf } from './errors.js';

/** Who does what in the cluster, as its PostgreSQL servers say. */
export interface Roles {
  readonly primary: HostStatus;
  /** The synchronous standby: where a switchover moves the primary to. */
  readonly sync: HostStatus;
  readonly timeline: number;
}

const wholeDeadlineMs = 120_000;
const askTimeoutMs = 20_000;
const lookEveryMs = 250;

/** @throws unless there is exactly one primary, with one synchronous standby */
export async function rolesOf(playground: Playground): Promise<Roles> {
  const nodes = await playground.hosts('postgres');
  const found = await Promise.all(
    nodes.map(async (node) => ({ node, primary: await isPrimary(playground, node.name) })),
  );
  const [first, second] = found.filter(({ primary }) => primary).map(({ node }) => node);
  if (first === undefined) throw new Error('no node is primary');
  if (second !== undefined) throw new Error(`${first.name} and ${second.name} are both primary`);
  const query = "select application_name from pg_stat_replication where sync_state = 'sync'";
  const sync = (await sql(playground, first.name, query)).trim();
  const standby = nodes.find(({ name }) => name === sync);
  if (standby === undefined)
    throw new Error(`no synchronous standby beside ${first.name} (it says '${sync}')`);
  return { primary: first, sync: standby, timeline: await timelineOf(playground, first.name) };
}

/** false also when it does not answer: then it is not the primary that clients could use. */
export async function isPrimary(playground: Playground, node: string): Promise<boolean> {
  const { status, stdout } = await psql(playground, node, 'postgres', 'select pg_is_in_recovery()');
  return status === 0 && stdout.trim() === 'f';
}

/** The timeline that a primary writes: the first eight digits of its current WAL file's name. */
export async function timelineOf(playground: Playground, primary: string): Promise<number> {
  const name = await sql(playground, primary, 'select pg_walfile_name(pg_current_wal_lsn())');
  return Number.parseInt(name.slice(0, 8), 16);
}

/** A query's output on a node itself, as superuser. @throws when it fails */
export async function sql(
  playground: Playground,
  node: string,
  query: string,
  database = 'postgres',
): Promise<string> {
  const result = await psql(playground, node, database, query);
  if (result.status !== 0) throw new Error(`${node}: ${query}: ${result.stderr.trim()}`);
  return result.stdout;
}

function psql(playground: Playground, node: string, database: string, query: string): Promise<RunResult> {
  return playground.exec(node, asPostgres('psql', '-XAtqc', query, database), { timeoutMs: askTimeoutMs });
}

/** The address to which this host's bouncer leads a new client; what went wrong if it leads nowhere. */
export async function leadsTo(playground: Playground, { address }: HostStatus): Promise<string> {
  const target = `host=${address} port=6432 dbname=app user=app connect_timeout=5`;
  const query = "select case when pg_is_in_recovery() then 'a standby' else host(inet_server_addr()) end";
  const { status, stdout, stderr } = await playground.exec('client01', ['psql', '-XAtc', query, target]);
  return status === 0 ? stdout.trim() : stderr.trim();
}

/** Bring an old primary back as a standby that pgcm left down, and wait until the cluster is as at the start. */
export async function makeWhole(playground: Playground, signal: AbortSignal): Promise<void> {
  await rejoin(playground);
  await untilWhole(playground, signal);
}

/** Wait until the cluster is as it was at the start. @throws when it does not get there by itself in time */
export function untilWhole(
  playground: Playground,
  signal: AbortSignal,
  withinMs = wholeDeadlineMs,
): Promise<void> {
  return untilNothingMissing(() => missingInCluster(playground), withinMs, signal);
}

/** Looks as long apart as a look takes, at least. @throws when something is still missing after this time */
export async function untilNothingMissing(
  look: () => Promise<Missing>,
  withinMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const looked = performance.now();
    const missing = await look().catch(messageOf);
    if (missing === undefined) return;
    const now = performance.now();
    if (now > deadline) throw new Error(`after ${withinMs / 1_000} s still waiting for ${missing}`);
    await delay(Math.max(lookEveryMs, now - looked), undefined, { signal });
  }
}
