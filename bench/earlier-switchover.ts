import type { Playground } from '../playground/client.js';
import { rolesOf } from './cluster.js';
import type { EarlierSwitchover } from './records.js';

const program = '/opt/pgcm/dist/bench/inside/earlier-switchover-main.js';

/**
 * Gives a cluster whose primary was never moved the report of a switchover, through pgcm's own store: without one
 * pgcm refuses to move it unless forced, and --force would let every other finding that it overrides pass, too.
 * Nothing is written where the history tells of a switchover already.
 */
export async function hadSwitchover(playground: Playground): Promise<void> {
  const { primary, sync } = await rolesOf(playground);
  const nodes = await playground.hosts('postgres');
  const config: EarlierSwitchover = {
    endpoints: nodes.map(({ address }) => `http://${address}:2379`),
    from: { name: sync.name, address: sync.address },
    to: { name: primary.name, address: primary.address },
  };
  const argv = ['node', program, JSON.stringify(config)];
  const { status, stderr } = await playground.exec('client01', argv, { timeoutMs: 20_000 });
  if (status !== 0) throw new Error(`writing an earlier switchover to the history failed: ${stderr.trim()}`);
}
