import type { ProcessName } from './kinds.js';
import type { Site } from './site.js';

/** What is done to a host from within. None of it outlives its power but a full disk. */

const dataDirectory = '/var/lib/postgresql/15/main';
const filler = '/var/lib/postgresql/filler';
/** Those that end while they are read are left out. */
const allProcesses = 'cat /proc/[0-9]*/stat 2>/dev/null';
/** Nobody has this address. */
const nowhere = '02:00:00:00:00:99';

const services: Readonly<Record<Exclude<ProcessName, 'postgres' | 'checkpointer'>, string>> = {
  pacemakerd: 'pacemakerd',
  corosync: 'corosync',
  etcd: 'etcd',
  supervise: 'pgcm-supervise',
};

/** @returns the pids that got the signal; empty when there is no such process */
export async function signalProcess(
  site: Site,
  host: string,
  name: ProcessName | 'all of postgres',
  signal: 'KILL' | 'STOP',
): Promise<string> {
  const script = `pids=$(${pidsOf(name)}); [ -z "$pids" ] || { kill -${signal} $pids; echo $pids; }`;
  const { stdout } = await site.attempt(host, 'sh', '-c', script);
  return stdout.trim();
}

function pidsOf(name: ProcessName | 'all of postgres'): string {
  const postmaster = `head -n 1 ${dataDirectory}/postmaster.pid 2>/dev/null`;
  const children = `${allProcesses} | awk -v parent="$(${postmaster})" '$4 == parent { print $1 }'`;
  switch (name) {
    case 'postgres':
      return postmaster;
    case 'all of postgres':
      return `${postmaster}; ${children}`;
    case 'checkpointer':
      return `for pid in $(${children}); do ! grep -qs checkpointer /proc/$pid/cmdline || echo $pid; done`;
    default:
      return `cat /run/node/services/${services[name]}/pid 2>/dev/null`;
  }
}

export type Reach = 'one way' | 'both ways';

/** What they send each other goes to an address that nobody has: lost without a word. @returns what heals it */
export async function misroute(
  site: Site,
  from: string,
  to: string,
  reach: Reach,
): Promise<() => Promise<void>> {
  const pairs: readonly (readonly [string, string])[] =
    reach === 'one way'
      ? [[from, to]]
      : [
          [from, to],
          [to, from],
        ];
  const each = (...words: readonly string[]): Promise<unknown> =>
    Promise.all(
      pairs.map(([at, other]) => {
        const [verb = '', ...rest] = words;
        const address = site.cluster.addressOf(other);
        return site.attempt(at, 'ip', 'neigh', verb, address, ...rest, 'dev', 'eth0');
      }),
    );
  await each('replace', 'lladdr', nowhere, 'nud', 'permanent');
  return async () => {
    await each('del');
  };
}

/** Every block; and PostgreSQL is made to need a new file of WAL soon. */
export async function fillDisk(site: Site, host: string): Promise<void> {
  const fill = `fallocate -l 4G ${filler} 2>/dev/null; cat /dev/zero >${filler}.rest 2>/dev/null`;
  await site.attempt(host, 'sh', '-c', `${fill}; true`);
  const next = 'select pg_switch_wal() from generate_series(1, 1)';
  for (let count = 0; count < 3; count++) {
    await site.attempt(host, 'timeout', '1', 'runuser', '-u', 'postgres', '--', 'psql', '-XAtqc', next);
  }
}

export async function freeDisk(site: Site, host: string): Promise<void> {
  await site.attempt(host, 'rm', '-f', filler, `${filler}.rest`);
}

/** Whoever is still frozen there. */
export async function thawAll(site: Site, host: string): Promise<void> {
  const stopped = `${allProcesses} | awk '$3 == "T" { print $1 }'`;
  await site.attempt(host, 'sh', '-c', `for pid in $(${stopped}); do kill -CONT $pid; done`);
}
