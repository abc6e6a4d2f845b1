import type { Playground } from '../../playground/client.js';
import { asPostgres, type Missing } from '../../playground/cluster.js';
import { sql } from '../cluster.js';
import { untilNothingMissing } from '../cluster.js';
import { multiHost, ofKind, type Contender } from './contender.js';
import { missingReplication } from './replication.js';

/**
 * Of the monitor, in milliseconds, about a quarter of the defaults; and of each node, in seconds: a primary that is
 * cut off stops after that, so it has to be over before another one is promoted, after primary_demote_timeout.
 */
const shorterTimes = {
  health_check_period: 1_000,
  health_check_timeout: 1_000,
  health_check_retry_delay: 500,
  node_considered_unhealthy_timeout: 5_000,
  primary_demote_timeout: 8_000,
} as const;
const shorterPartitionTimeout = 5;

const data = '/var/lib/postgresql/15/main';
/** Its host has the monitor. */
const monitor = 'app01';
const beginsWithinMs = 120_000;
const settlesWithinMs = 120_000;
/** The command's own time-out is 60 s. */
const commandMs = 70_000;

/** pg_auto_failover's default formation of three nodes, with the monitor on the app host. */
export const pgAutoFailover: Contender = {
  name: 'pg_auto_failover',
  up: {
    until: 'hosts',
    instead: { start: 'bench/peers/nodes/pg-auto-failover-start', packages: 'bench/peers/peers.txt' },
  },
  packages: ['pg-auto-failover-cli', 'postgresql-15-auto-failover'],
  ways: [
    {
      key: 'pg_auto_failover',
      title: 'pg_auto_failover, clients choose the host',
      choosesHost: true,
      targets: (hosts, clients) => multiHost(ofKind(hosts, 'postgres'), clients),
    },
    {
      key: 'pg_auto_failover_tuned',
      title: 'pg_auto_failover, shorter times, clients choose the host',
      // They are about when a node counts as lost: nothing of a planned switchover.
      only: 'loss',
      prepare: shortenTimes,
      choosesHost: true,
      targets: (hosts, clients) => multiHost(ofKind(hosts, 'postgres'), clients),
    },
  ],
  begin: (playground, signal) => untilNothingMissing(() => missing(playground), beginsWithinMs, signal),
  move: async (playground) => {
    await autoctl(playground, monitor, 'perform', 'switchover');
  },
  settle: (playground, signal) => untilNothingMissing(() => missing(playground), settlesWithinMs, signal),
  restore: async (playground, lost, _primary, signal) => {
    await playground.start(lost.name);
    await untilNothingMissing(() => missing(playground), settlesWithinMs, signal);
  },
};

async function shortenTimes(playground: Playground): Promise<void> {
  const settings = Object.entries(shorterTimes).map(
    ([name, value]) => `alter system set pgautofailover.${name} = ${value}`,
  );
  for (const statement of [...settings, 'select pg_reload_conf()']) {
    await sql(playground, monitor, statement, 'pg_auto_failover');
  }
  const partition = ['timeout.network_partition_timeout', String(shorterPartitionTimeout)];
  for (const { name } of await playground.hosts('postgres')) {
    await autoctl(playground, name, 'config', 'set', ...partition);
    await autoctl(playground, name, 'reload');
  }
}

/** @returns what it printed. @throws when it failed */
async function autoctl(playground: Playground, host: string, ...args: string[]): Promise<string> {
  const argv = asPostgres('env', `PGDATA=${data}`, 'pg_autoctl', ...args);
  const { status, stdout, stderr } = await playground.exec(host, argv, { timeoutMs: commandMs });
  if (status !== 0) throw new Error(`${host}: pg_autoctl ${args.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

interface NodeState {
  readonly nodename: string;
  readonly health: number;
  readonly current_group_state: string;
  readonly assigned_group_state: string;
}

/** As the monitor says, and PostgreSQL. */
async function missing(playground: Playground): Promise<Missing> {
  const states = JSON.parse(
    await autoctl(playground, monitor, 'show', 'state', '--json'),
  ) as readonly NodeState[];
  const nodes = await playground.hosts('postgres');
  if (states.length < nodes.length) return `all nodes to be registered (${states.length} are)`;
  const unsettled = states.find(
    ({ health, current_group_state, assigned_group_state }) =>
      health !== 1 ||
      current_group_state !== assigned_group_state ||
      !['primary', 'secondary'].includes(current_group_state),
  );
  if (unsettled !== undefined) {
    const { nodename, current_group_state, assigned_group_state } = unsettled;
    return `${nodename} to be well (${current_group_state}, to be ${assigned_group_state})`;
  }
  return missingReplication(playground);
}
