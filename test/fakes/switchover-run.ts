import type { SwitchoverReport } from '../../src/domain/switchover.js';
import { runSwitchover } from '../../src/failover/switchover.js';
import type { FakeCluster } from './switchover.js';

export const never = new AbortController().signal;

export const sigint = { name: 'SIGINT', status: 130 };

export function run(
  cluster: FakeCluster,
  context = cluster.context(),
  signal = never,
): Promise<SwitchoverReport> {
  return runSwitchover(context, { signal, of: () => sigint });
}

/** What the clients and the next run find. */
export function leftovers(cluster: FakeCluster): unknown {
  return { paused: [...cluster.paused], constraint: cluster.constraint, locked: cluster.locked };
}

export const nothing = { paused: [], constraint: false, locked: false };

/** What was done, without what only looks and without repetitions. */
export function order(cluster: FakeCluster): readonly string[] {
  const kinds = cluster.deeds
    .map((deed) => deed.split(' ')[0] ?? '')
    .filter((kind) => kind !== 'probe' && kind !== 'inspect');
  return kinds.filter((kind, index) => kind !== kinds[index - 1]);
}
