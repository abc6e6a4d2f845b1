import type { Playground } from '../client.js';
import { look, type ClusterView } from '../cluster.js';
import { messageOf } from '../errors.js';
import type { HostStatus } from '../protocol.js';

/** @returns the exit status */
export async function printStatus(playground: Playground, json: boolean): Promise<number> {
  const world = await playground.status();
  const cluster = await lookFromAnyNode(playground, world.hosts);
  if (json) {
    console.log(JSON.stringify({ ...world, cluster: cluster ?? null }));
    return 0;
  }
  const rows = world.hosts.map((host) => [host.name, host.address, stateOf(host), roleOf(host, cluster)]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    console.log(`  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
  if (cluster === undefined) console.log('  the cluster does not answer');
  else if (!cluster.quorum) console.log('  the cluster has no quorum');
  if (!world.fencingWorks) console.log('  fencing is made to fail (`fencing ok` repairs it)');
  return 0;
}

/** One that is cut off has its own idea: prefer a node whose partition has quorum. */
async function lookFromAnyNode(
  playground: Playground,
  hosts: readonly HostStatus[],
): Promise<ClusterView | undefined> {
  let found: ClusterView | undefined;
  for (const { name } of hosts.filter(({ kind, power }) => kind === 'postgres' && power === 'on')) {
    try {
      const view = await look(playground, name);
      if (view.quorum) return view;
      if (view.controller !== undefined) found ??= view;
    } catch (error) {
      console.error(`  ${messageOf(error)}`);
    }
  }
  return found;
}

function stateOf(host: HostStatus): string {
  const cable = host.cable === 'cut' ? ', cable cut' : '';
  if (host.power === 'off') return `off (${host.reason ?? ''})${cable}`;
  if (host.power === 'booting' || !host.started) return `booting${cable}`;
  return `on${cable}`;
}

function roleOf(host: HostStatus, cluster: ClusterView | undefined): string {
  if (host.kind !== 'postgres' || cluster === undefined) return '';
  if (cluster.primary === host.name) return 'primary';
  if (cluster.standbys.includes(host.name)) return 'standby';
  return cluster.online.includes(host.name) ? 'stopped, says Pacemaker' : 'not in the cluster';
}

/** How to go on, in lines that can be copied. @param moved whether its primary was switched over before */
export function usageOf(name: string, hosts: readonly HostStatus[], moved: boolean): string {
  const command = (rest: string): string =>
    `  npm run playground -- ${name === 'main' ? '' : `--name ${name} `}${rest}`;
  const node = hosts[0]?.name ?? 'pg01';
  return [
    moved
      ? 'Try:'
      : 'Try (its first failover needs --force: no earlier one tells how long clients will wait):',
    command(`exec ${node} pgcm failover --dry-run`),
    command(`exec ${node} pgcm failover${moved ? '' : ' --force'}`),
    command(`psql ${node} -c 'table pg_stat_replication'`),
    command(`exec client01 psql 'host=${hosts[0]?.address ?? ''} port=6432 dbname=app user=app'`),
    command(`kill ${node}`),
    command('status'),
    command('down'),
  ].join('\n');
}
