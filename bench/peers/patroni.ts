import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../../playground/client.js';
import { asPostgres, type Missing } from '../../playground/cluster.js';
import type { HostStatus } from '../../playground/protocol.js';
import { untilNothingMissing } from '../cluster.js';
import { multiHost, ofKind, Refused, type Contender, type Way } from './contender.js';
import { missingReplication, primaryOf } from './replication.js';

const config = '/etc/patroni/config.yml';
const cluster = 'bench';
const ports = { documented: 5000, tuned: 5001 } as const;
const times = {
  documented: { ttl: 30, loop_wait: 10, retry_timeout: 10 },
  tuned: { ttl: 20, loop_wait: 5, retry_timeout: 5 },
} as const;
/** Members read the settings once in each of their loops, which take so long at most. */
const settingsTakeMs = times.documented.loop_wait * 1_000 + 1_000;
const beginsWithinMs = 120_000;
const settlesWithinMs = 90_000;
const commandMs = 60_000;

type Times = keyof typeof times;

/** Patroni on the Postgres nodes, with etcd; HAProxy on the app host asks their REST interfaces. */
export const patroni: Contender = {
  name: 'patroni',
  up: {
    until: 'hosts',
    instead: { start: 'bench/peers/nodes/patroni-start', packages: 'bench/peers/peers.txt' },
  },
  packages: ['patroni', 'haproxy', 'etcd-server'],
  ways: [
    throughHaproxy('patroni_haproxy', 'Patroni, HAProxy', 'documented'),
    throughHaproxy('patroni_haproxy_tuned', 'Patroni, HAProxy, shorter times', 'tuned'),
    {
      key: 'patroni_multi_host',
      title: 'Patroni, shorter times, clients choose the host',
      prepare: (playground, signal) => setTimes(playground, 'tuned', signal),
      choosesHost: true,
      targets: (hosts, clients) => multiHost(ofKind(hosts, 'postgres'), clients),
    },
  ],
  begin: (playground, signal) => untilNothingMissing(() => missing(playground), beginsWithinMs, signal),
  move,
  settle: (playground, signal) => untilNothingMissing(() => missing(playground), settlesWithinMs, signal),
  restore: async (playground, lost, _primary, signal) => {
    await playground.start(lost.name);
    await untilNothingMissing(() => missing(playground), settlesWithinMs, signal);
  },
};

function throughHaproxy(key: string, title: string, which: Times): Way {
  return {
    ...{ key, title },
    prepare: (playground, signal) => setTimes(playground, which, signal),
    targets: (hosts, clients) =>
      ofKind(hosts, 'app')
        .slice(0, 1)
        .map(({ name, address }) => ({ name, host: address, port: ports[which], clients })),
  };
}

async function setTimes(playground: Playground, which: Times, signal: AbortSignal): Promise<void> {
  const settings = Object.entries(times[which]).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const { name } = await primaryOf(playground);
  const said = await patronictl(playground, name, 'edit-config', cluster, '--force', '--quiet', ...settings);
  if (/Not changed/.test(said)) return;
  await delay(settingsTakeMs, undefined, { signal });
}

/** Its own choice of the candidate: the synchronous standby. */
async function move(playground: Playground, { name }: HostStatus): Promise<void> {
  const nodes = await playground.hosts('postgres');
  const other = nodes.find((node) => node.name !== name)?.name ?? name;
  const said = await patronictl(playground, other, 'switchover', cluster, '--leader', name, '--force');
  if (/Switchover failed/.test(said)) throw new Refused(said.trim());
}

/** @returns all that it said. @throws when it failed */
async function patronictl(playground: Playground, node: string, ...args: string[]): Promise<string> {
  const argv = asPostgres('patronictl', '-c', config, ...args);
  const { status, stdout, stderr } = await playground.exec(node, argv, { timeoutMs: commandMs });
  if (status !== 0) throw new Error(`${node}: patronictl ${args.join(' ')} ended with ${status}: ${stderr}`);
  return `${stdout}\n${stderr}`;
}

interface Member {
  readonly Member: string;
  readonly Role: string;
}

/** As the members say in etcd, as PostgreSQL says, and as HAProxy leads. */
async function missing(playground: Playground): Promise<Missing> {
  const [first] = await playground.hosts('postgres');
  const list = await patronictl(playground, first?.name ?? '', 'list', cluster, '--format', 'json');
  const members = JSON.parse(list) as readonly Member[];
  for (const role of ['Leader', 'Sync Standby']) {
    if (!members.some((member) => member.Role === role)) return `Patroni to have a ${role.toLowerCase()}`;
  }
  return (await missingReplication(playground)) ?? (await missingRoute(playground));
}

async function missingRoute(playground: Playground): Promise<Missing> {
  const { address } = await primaryOf(playground);
  const [app] = await playground.hosts('app');
  for (const port of Object.values(ports)) {
    const target = `host=${app?.address ?? ''} port=${port} dbname=app user=app connect_timeout=2`;
    const argv = ['psql', '-XAtc', 'select host(inet_server_addr())', target];
    const { stdout } = await playground.exec('client01', argv);
    if (stdout.trim() !== address) return `port ${port} of HAProxy to lead to ${address}`;
  }
  return undefined;
}
