import type { Playground } from '../../playground/client.js';
import { makeWhole, rolesOf, untilWhole } from '../cluster.js';
import { hadSwitchover } from '../earlier-switchover.js';
import { runFailover } from '../failover-command.js';
import { restore } from '../faults.js';
import { spreadOver } from '../under-load.js';
import { Refused, type Contender } from './contender.js';

/** The command ends when the old primary streams; Pacemaker takes note of it some seconds later. */
const rejoinMs = 20_000;
/** The exit status of a command whose checks refused. */
const refused = 3;

/** pgcm over Pacemaker, with one of the resource agents. */
export function pgcm(
  agent: Pick<Contender, 'name' | 'up' | 'packages'> & { readonly key: string; readonly title: string },
): Contender {
  const { key, title, name, up, packages } = agent;
  return {
    ...{ name, up, packages: ['corosync', 'pacemaker', 'pgbouncer', 'etcd-server', ...packages] },
    ways: [
      {
        ...{ key, title },
        targets: (hosts, clients) =>
          spreadOver(
            hosts.filter(({ kind }) => kind !== 'client'),
            clients,
          ),
      },
    ],
    begin: async (playground, signal) => {
      await makeWhole(playground, signal);
      await hadSwitchover(playground);
    },
    move,
    settle: async (playground, signal) => {
      await untilWhole(playground, signal, rejoinMs).catch(async () => {
        signal.throwIfAborted();
        await makeWhole(playground, signal);
      });
    },
    restore: (playground, lost, primary, signal) => restore(playground, 'power', lost, primary, signal),
  };
}

/** From the node that is neither, so that neither's work is the command's. */
async function move(playground: Playground, _primary: unknown, signal: AbortSignal): Promise<void> {
  const { primary, sync } = await rolesOf(playground);
  const nodes = await playground.hosts('postgres');
  const third = nodes.find(({ name }) => name !== primary.name && name !== sync.name) ?? sync;
  const { status, lines } = await runFailover(playground, third.name, { format: 'json', signal });
  if (status === 0) return;
  const end = lines.slice(-8).map(({ text }) => `    ${text}`);
  const message = [`pgcm failover on ${third.name} ended with ${status}:`, ...end].join('\n');
  throw status === refused ? new Refused(message) : new Error(message);
}
