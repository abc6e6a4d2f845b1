import type { Finding } from '../../domain/switchover.js';
import type { SwitchoverOptions } from '../context.js';
import type { Facts } from '../facts.js';
import { blockerFindings } from './blockers.js';
import { bouncerFindings } from './bouncers.js';
import { etcdFindings } from './etcd.js';
import { managerFindings } from './manager.js';
import { nodeFindings } from './nodes.js';
import { replicationFindings } from './replication.js';

/** What speaks against a switchover, the gravest first. @param ownId of this run, whose lock and move are no obstacle */
export function findingsOf(facts: Facts, options: SwitchoverOptions, ownId: string): readonly Finding[] {
  const all = [
    ...nodeFindings(facts),
    ...managerFindings(facts, ownId),
    ...replicationFindings(facts, options),
    ...etcdFindings(facts, ownId, options.pauseExpiry),
    ...bouncerFindings(facts, options.pauseExpiry),
    ...blockerFindings(facts, options),
  ];
  const order: readonly Finding['weight'][] = ['forbids', 'overridable', 'notice'];
  return order.flatMap((weight) => all.filter((finding) => finding.weight === weight));
}

/** Those because of which a run with these options is refused. */
export function refusing(
  findings: readonly Finding[],
  { force }: Pick<SwitchoverOptions, 'force'>,
): readonly Finding[] {
  return findings.filter(({ weight }) => weight === 'forbids' || (weight === 'overridable' && !force));
}
