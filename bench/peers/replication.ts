import type { Playground } from '../../playground/client.js';
import type { Missing } from '../../playground/cluster.js';
import type { HostStatus } from '../../playground/protocol.js';
import { isPrimary, sql } from '../cluster.js';

/** @throws unless exactly one of the nodes that are on takes writes */
export async function primaryOf(playground: Playground): Promise<HostStatus> {
  const nodes = (await playground.hosts('postgres')).filter(({ power }) => power === 'on');
  const answers = await Promise.all(nodes.map(({ name }) => isPrimary(playground, name)));
  const [first, second] = nodes.filter((_, index) => answers[index]);
  if (first === undefined) throw new Error('no node is primary');
  if (second !== undefined) throw new Error(`${first.name} and ${second.name} are both primary`);
  return first;
}

/** Every other node is to stream from the primary, and commits are to wait for one of them at least. */
export async function missingReplication(playground: Playground): Promise<Missing> {
  const primary = await primaryOf(playground);
  const standbys = (await playground.hosts('postgres')).length - 1;
  const query =
    "select count(*), count(*) filter (where sync_state in ('sync', 'quorum')) from pg_stat_replication where state = 'streaming'";
  const [streaming = 0, sync = 0] = (await sql(playground, primary.name, query))
    .trim()
    .split('|')
    .map(Number);
  if (streaming < standbys) {
    return `the standbys to stream from ${primary.name} (${streaming} of ${standbys} do)`;
  }
  return sync < 1 ? 'a standby to be synchronous' : undefined;
}
