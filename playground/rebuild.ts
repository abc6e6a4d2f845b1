import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from './client.js';
import { asPostgres, look } from './cluster.js';
import { PlaygroundError } from './errors.js';
import type { HostStatus } from './protocol.js';
import { lockFile, readmit } from './rejoin.js';

const dataDirectory = '/var/lib/postgresql/15/main';
const startedWithinMs = 60_000;
const comesWithinMs = 10_000;
const stoppedWithinMs = 30_000;
const copyWithinMs = 120_000;
const streamsWithinMs = 20_000;
/** With a rebuild, if it comes to that. */
const rewoundWithinMs = 90_000;
const mostReadmissions = 3;
const lookEveryMs = 200;

/**
 * Make a node a standby again after the primary was lost: its data may hold what no other node has, so they
 * are copied anew from the primary of now. Only where the agent keeps PostgreSQL down: on the lost primary, and on
 * a standby that had received more than the one that was promoted.
 *
 * @returns whether there was anything to do
 */
export async function rebuild(playground: Playground, lost: string, primary: HostStatus): Promise<boolean> {
  await until(`${lost} is started and online in Pacemaker`, startedWithinMs, async () => {
    const host = (await playground.hosts()).find(({ name }) => name === lost);
    return host?.started === true && (await look(playground, primary.name)).online.includes(lost);
  });
  // It rewinds what has diverged, and starts it.
  if (playground.agent === 'pgcm') {
    if (await streams(playground, lost, primary.name, rewoundWithinMs)) return false;
    throw new PlaygroundError(`rebuild: ${lost} does not stream from ${primary.name} by itself`);
  }
  if (!(await isKeptDown(playground, lost, primary.name))) return false;
  // After a SIGKILL of the postmaster its children may live on for a moment.
  await until(`no PostgreSQL runs on ${lost}`, stoppedWithinMs, async () => {
    return (await playground.exec(lost, ['pgrep', '-x', 'postgres'])).status === 1;
  });
  const copy = ['pg_basebackup', '-h', primary.address, '-U', 'replicator', '-D', dataDirectory];
  const script = `find ${dataDirectory} -mindepth 1 -delete && exec "$@"`;
  const { status, stderr } = await playground.exec(
    lost,
    asPostgres('sh', '-ec', script, 'sh', ...copy, '--wal-method=stream', '--checkpoint=fast'),
    { timeoutMs: copyWithinMs },
  );
  if (status !== 0)
    throw new PlaygroundError(`${lost}: copying the data from ${primary.name}: ${stderr.trim()}`);
  // The agent bans a standby that had received more than the new primary.
  await playground.exec(primary.name, ['crm_resource', '--clear', '--resource', 'pgsql', '--node', lost]);
  // An attempt to start it that began before may fail after this: that would keep it down.
  for (let tries = 1; tries <= mostReadmissions; tries++) {
    await readmit(playground, lost, primary.name);
    if (await streams(playground, lost, primary.name)) return true;
  }
  throw new PlaygroundError(`rebuild: ${lost} does not stream from ${primary.name}`);
}

/** A standby that is only being started comes within this time. */
async function isKeptDown(playground: Playground, node: string, primary: string): Promise<boolean> {
  if ((await playground.exec(node, ['test', '-e', lockFile])).status === 0) return true;
  const deadline = performance.now() + comesWithinMs;
  while (performance.now() < deadline) {
    if ((await look(playground, primary)).standbys.includes(node)) return false;
    await delay(lookEveryMs);
  }
  return true;
}

/** Within the time that a start takes. */
async function streams(
  playground: Playground,
  standby: string,
  primary: string,
  withinMs = streamsWithinMs,
): Promise<boolean> {
  const query = `select count(*) from pg_stat_replication where application_name = '${standby}' and state = 'streaming'`;
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    const { stdout } = await playground.exec(primary, asPostgres('psql', '-XAtc', query));
    if (stdout.trim() === '1') return true;
    await delay(lookEveryMs);
  }
  return false;
}

async function until(what: string, withinMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline)
      throw new PlaygroundError(`rebuild: not so after ${withinMs / 1_000} s: ${what}`);
    await delay(lookEveryMs);
  }
}
