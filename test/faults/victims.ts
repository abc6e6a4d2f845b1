import type { FailoverRun } from '../acceptance/failover-run.js';
import type { Arena, Roles } from './arena.js';
import type { FaultSignal, Victim } from './cases.js';

/** A process that is about to die or to freeze. */
export interface Target {
  /** In words, for the evidence. */
  readonly where: string;
  strike(signal: FaultSignal): Promise<void>;
  /** Done also when it was killed meanwhile, as a watchdog does. */
  thaw(): Promise<void>;
}

export async function targetOf(
  victim: Victim,
  { old, target, third }: Roles,
  arena: Arena,
  run: FailoverRun,
): Promise<Target> {
  switch (victim) {
    case 'command':
      return {
        where: 'client01',
        strike: (signal) => {
          run.signal(signal);
          return Promise.resolve();
        },
        thaw: () => {
          run.thaw();
          return Promise.resolve();
        },
      };
    case 'supervise-old':
      return service(arena, old, 'pgcm-supervise');
    case 'supervise-target':
      return service(arena, target, 'pgcm-supervise');
    case 'supervise-third':
      return service(arena, third, 'pgcm-supervise');
    case 'proxy-app':
      return service(arena, 'app01', 'pgcm-proxy');
    case 'bouncer-app':
      return service(arena, 'app01', 'pgbouncer');
    case 'etcd-leader':
      return service(arena, await etcdLeader(arena), 'etcd');
    case 'etcd-member':
      return service(arena, await etcdMemberOfCommand(arena), 'etcd');
  }
}

async function service({ cluster }: Arena, host: string, name: string): Promise<Target> {
  const pid = await cluster.pid(host, name);
  return {
    where: `${name} on ${host}, pid ${pid}`,
    strike: async (signal) => {
      await cluster.output(host, 'kill', `-${signal}`, pid);
    },
    thaw: async () => {
      await cluster.run(host, 'kill', '-SIGCONT', pid);
    },
  };
}

interface EndpointStatus {
  readonly Endpoint: string;
  readonly Status: { readonly header: { readonly member_id: number }; readonly leader: number };
}

async function etcdLeader({ cluster }: Arena): Promise<string> {
  // The ids pass 2^53, so two of them could only be compared as text.
  const text = (await cluster.etcdctl('endpoint', 'status', '-w', 'json')).replaceAll(/:(\d{16,})/g, ':"$1"');
  const found = (JSON.parse(text) as EndpointStatus[]).find(
    ({ Status: { header, leader } }) => header.member_id === leader,
  );
  return nodeAt(/10\.77\.0\.\d+/.exec(found?.Endpoint ?? '')?.[0] ?? '');
}

/** Who has most of the command's connections; before it has any: the first of its list. */
async function etcdMemberOfCommand({ cluster }: Arena): Promise<string> {
  const lines = await cluster.output('client01', 'ss', '-tnH', 'state', 'established', 'dport = :2379');
  const peers = [...lines.matchAll(/(10\.77\.0\.\d+):2379/g)].map(([, address = '']) => address);
  const count = (address: string): number => peers.filter((peer) => peer === address).length;
  return nodeAt([...peers].sort((a, b) => count(b) - count(a))[0] ?? '10.77.0.11');
}

function nodeAt(address: string): string {
  return `pg0${address.slice(-1)}`;
}
