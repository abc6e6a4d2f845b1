import type { Finding } from '../../domain/switchover.js';
import { labelOf, primariesOf, primaryNode, valueOf, type Facts } from '../facts.js';
import { forbids } from './finding.js';

/** What the cluster manager says against a move. */
export function managerFindings(facts: Facts, ownId: string): readonly Finding[] {
  return unique([...quorum(facts), ...primary(facts), ...obstacles(facts), ...moves(facts, ownId)]);
}

function quorum({ nodes }: Facts): readonly Finding[] {
  return nodes.flatMap((node) => {
    const inspection = valueOf(node.inspection);
    if (inspection === undefined) return [];
    const subject = labelOf(node);
    if (inspection.manager === undefined) {
      const text = 'the cluster manager does not answer there';
      return [forbids({ kind: 'manager-silent', subject, text, wayOut: 'look at Pacemaker on that node' })];
    }
    if (inspection.manager.topology.quorum) return [];
    const text = 'it is in a partition without quorum';
    return [forbids({ kind: 'no-quorum', subject, text, wayOut: 'heal the network, or bring nodes back' })];
  });
}

function primary(facts: Facts): readonly Finding[] {
  const primaries = primariesOf(facts);
  const [one, another] = primaries;
  if (another !== undefined) {
    const text = `more than one member is primary: ${primaries.join(', ')}`;
    return [forbids({ kind: 'two-primaries', text, wayOut: 'stop; find out which one has the data' })];
  }
  if (one === undefined) {
    const whys = facts.nodes.flatMap(({ inspection }) => {
      const found = valueOf(inspection)?.manager?.topology.primary;
      return found?.kind === 'none' ? [found.why] : [];
    });
    // Without any answer the other findings say why.
    if (whys.length === 0) return [];
    const text = `there is no primary: ${whys[0] ?? ''}`;
    return [
      forbids({
        kind: 'no-primary',
        text,
        wayOut: 'see crm_mon for what keeps Pacemaker from promoting one',
      }),
    ];
  }
  if (primaryNode(facts) !== undefined) return [];
  const text = 'it is the primary, and none of the failover-api-endpoints is its';
  return [
    forbids({
      kind: 'no-endpoint',
      subject: one,
      text,
      wayOut: 'add its supervise to failover-api-endpoints',
    }),
  ];
}

function obstacles({ nodes }: Facts): readonly Finding[] {
  return nodes.flatMap(({ inspection }) =>
    (valueOf(inspection)?.manager?.obstacles ?? []).map(({ kind, text, wayOut }) =>
      forbids({ kind, text, wayOut }),
    ),
  );
}

/** A move of a run that died: Pacemaker would weigh it against ours. */
function moves({ nodes }: Facts, ownId: string): readonly Finding[] {
  const found = nodes.flatMap(({ inspection }) => valueOf(inspection)?.manager?.moves ?? []);
  return found
    .filter((id) => id !== ownId)
    .map((id) =>
      forbids({
        kind: 'leftover-move',
        text: `the move of the switchover ${id} is still asked for in the cluster manager`,
        wayOut: 'a running supervise removes it within 15s; pgcm cleanup does so at once',
      }),
    );
}

/** Every node tells of the same cluster: once is enough. */
function unique(findings: readonly Finding[]): readonly Finding[] {
  const key = ({ kind, subject, text }: Finding): string => `${kind}\n${subject}\n${text}`;
  return findings.filter((finding, index) => findings.findIndex((f) => key(f) === key(finding)) === index);
}
