import type { Finding } from '../../domain/switchover.js';
import { labelOf, type Facts, type NodeFacts } from '../facts.js';
import { forbids, notice, overridable } from './finding.js';

/** Whether every Postgres node answers and has what a switchover needs. */
export function nodeFindings({ nodes }: Facts): readonly Finding[] {
  return nodes.flatMap((node) => [...health(node), ...inspection(node)]);
}

/** What is most often behind it, for somebody who reads this at night. */
const waysOut: Readonly<Record<string, string>> = {
  postgres:
    'after a move ocf:heartbeat:pgsql keeps the old primary down until its PGSQL.lock is removed and ' +
    'crm_resource --cleanup is run for it',
  pacemaker: 'look at crm_mon on that node',
  etcd: 'look at the etcd member that this node talks to',
  pgbouncer: 'start PgBouncer there, or go on without its clients (--force)',
};

/** For what this program has no name for: that node's may be a newer one. */
const elsewhere = 'see the log of pgcm supervise there, and mend what it names';

function health(node: NodeFacts): readonly Finding[] {
  const subject = labelOf(node);
  if (node.health.kind === 'failure') {
    const text = `its failover API does not answer: ${node.health.error}`;
    const wayOut = `is pgcm supervise running there, and is ${node.api.endpoint} right in failover-api-endpoints?`;
    // Nobody listening may last a moment only: a supervise that was ended starts again at once.
    const kind = node.health.why === 'restarting' ? 'unreachable' : 'no-answer';
    return [forbids({ kind, subject, text, wayOut })];
  }
  const { healthy, parts } = node.health.value;
  const ill = parts.filter((part) => !part.healthy);
  if (!healthy && ill.length === 0) {
    const text = 'it says that it is not healthy, and not which part';
    return [forbids({ kind: 'unhealthy', subject, text, wayOut: elsewhere })];
  }
  return ill.map(({ part, message }) => {
    const found = { subject, text: `${part}: ${message}`, wayOut: waysOut[part] ?? elsewhere };
    // Without its PgBouncer only the clients of that node are at stake.
    return part === 'pgbouncer'
      ? overridable({ kind: 'bouncer-silent', ...found })
      : forbids({ kind: 'unhealthy', ...found });
  });
}

function inspection(node: NodeFacts): readonly Finding[] {
  const subject = labelOf(node);
  if (node.inspection.kind === 'answer') {
    return node.inspection.value.problems.map((text) => notice({ kind: 'not-known', subject, text }));
  }
  // The health check says the same already.
  if (node.health.kind === 'failure') return [];
  return [
    forbids({
      kind: 'not-inspected',
      subject,
      text: `it cannot be told whether a move is safe: ${node.inspection.error}`,
      wayOut:
        node.inspection.why === 'unsupported'
          ? 'its supervise is of an older program: replace it by pgcm supervise'
          : 'see the log of pgcm supervise there',
    }),
  ];
}
