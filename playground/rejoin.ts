import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from './client.js';
import { look } from './cluster.js';
import { PlaygroundError } from './errors.js';

/** Where docker/node keeps the files of ocf:heartbeat:pgsql (its parameter tmpdir). */
export const lockFile = '/var/lib/postgresql/tmp/PGSQL.lock';

const primaryWithinMs = 30_000;

/**
 * Brings back what the stock agent keeps down: after a demotion it leaves PGSQL.lock on the old primary
 * and refuses to start there until somebody has removed it. Safe here, as a planned move leaves no
 * divergence behind; in production that is the operator's to judge.
 *
 * @returns the nodes on which the file was removed
 */
export async function rejoin(playground: Playground): Promise<readonly string[]> {
  const nodes = (await playground.hosts('postgres')).filter(({ power }) => power === 'on');
  const [first] = nodes;
  if (first === undefined) return [];
  const primary = await promoted(playground, first.name);
  const rejoined: string[] = [];
  for (const { name } of nodes) {
    if (name === primary) continue;
    if ((await playground.exec(name, ['test', '-e', lockFile])).status !== 0) continue;
    await readmit(playground, name, name);
    rejoined.push(name);
  }
  return rejoined;
}

/**
 * Lets the agent start PostgreSQL on this node again, and Pacemaker try it.
 * @param via the node whose Pacemaker is asked
 */
export async function readmit(playground: Playground, name: string, via: string): Promise<void> {
  await must(playground, name, ['rm', '-f', lockFile]);
  await must(playground, via, ['crm_resource', '--cleanup', '--resource', 'msPostgresql', '--node', name]);
}

/** The primary has the file, too: so who it is must be known. crm_mon tells it some time after the promotion. */
async function promoted(playground: Playground, node: string): Promise<string> {
  const deadline = performance.now() + primaryWithinMs;
  for (;;) {
    const { primary } = await look(playground, node);
    if (primary !== undefined) return primary;
    if (performance.now() > deadline)
      throw new PlaygroundError(`rejoin: Pacemaker names no primary on ${node}`);
    await delay(200);
  }
}

async function must(playground: Playground, host: string, argv: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await playground.exec(host, argv);
  if (status !== 0) {
    throw new PlaygroundError(
      `${host}: ${argv.join(' ')}: status ${status}: ${stderr.trim() || stdout.trim()}`,
    );
  }
}
