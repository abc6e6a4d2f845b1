import type { Finding } from '../../domain/switchover.js';
import { candidatesOf, type Candidate } from '../candidates.js';
import { primaryNode, valueOf, type Facts } from '../facts.js';
import { forbids } from './finding.js';

export interface ReplicationOptions {
  readonly to: string | undefined;
  readonly maxLag: number;
}

/** Whether there is a standby that has, or will have at once, every acknowledged commit. */
export function replicationFindings(facts: Facts, options: ReplicationOptions): readonly Finding[] {
  const primary = primaryNode(facts);
  const inspection = primary && valueOf(primary.inspection);
  // Without a primary that answers the other findings say why; here it would only be said again.
  if (primary === undefined || inspection?.manager === undefined) return [];
  if (inspection.postgres === undefined) {
    const text = 'its PostgreSQL does not answer, so it is not known who follows it';
    return [forbids({ kind: 'no-sync-standby', subject: primary.name, text, wayOut: 'see its supervise' })];
  }
  return [...targetFindings(candidatesOf(facts, options.maxLag), options, primary.name), ...stale(facts)];
}

/** The member to move to; undefined when none is safe now. */
export function chooseTarget(facts: Facts, { to, maxLag }: ReplicationOptions): string | undefined {
  const safe = candidatesOf(facts, maxLag).filter(({ problems }) => problems.length === 0);
  return safe.find(({ name }) => to === undefined || name === to)?.name;
}

function targetFindings(
  candidates: readonly Candidate[],
  { to }: ReplicationOptions,
  primary: string,
): readonly Finding[] {
  const safe = candidates.filter(({ problems }) => problems.length === 0).map(({ name }) => name);
  if (to === undefined) {
    if (safe.length > 0) return [];
    if (candidates.length === 0) {
      return [
        forbids({
          kind: 'no-sync-standby',
          text: 'the cluster has no other member',
          wayOut: 'add a standby',
        }),
      ];
    }
    return candidates.map(problemOf);
  }
  if (safe.includes(to)) return [];
  const choice =
    safe.length === 0
      ? 'no other member is safe now: bring a synchronous standby back, and see pgcm failover --dry-run without --to for what each one lacks'
      : `safe now: ${safe.join(', ')}`;
  const one = candidates.find(({ name }) => name === to);
  const texts = one?.problems.map(({ text }) => text).join('; ') ?? 'it is no member of the cluster';
  const text = to === primary ? 'it is the primary already' : texts;
  return [forbids({ kind: 'not-a-candidate', subject: to, text, wayOut: choice })];
}

const waysOut: Readonly<Record<string, string>> = {
  lag: 'wait until it has caught up, or raise max-lag',
  'stale-walsender': 'bring that standby back, or end its connection',
  'no-sync-standby': 'the primary moves only to a synchronous standby that is streaming: bring it back first',
};

function problemOf({ name, problems }: Candidate): Finding {
  const [first] = problems;
  const kind = first?.kind ?? 'no-sync-standby';
  const text = problems.map((problem) => problem.text).join('; ');
  return forbids({ kind, subject: name, text, wayOut: waysOut[kind] ?? '' });
}

/** A fast stop waits for every walsender, so one that is stale makes the move long, perhaps a minute. */
function stale(facts: Facts): readonly Finding[] {
  const primary = primaryNode(facts);
  const senders = (primary && valueOf(primary.inspection))?.postgres?.senders ?? [];
  return senders.flatMap(({ name, address, stale: why }) => {
    if (why === undefined) return [];
    const from = address === undefined ? '' : ` from ${address}`;
    return [
      forbids({
        kind: 'stale-walsender',
        subject: name,
        text: `its replication connection${from} is stale: ${why}; the old primary's stop would wait for it`,
        wayOut: 'bring it back, or end its connection on the primary (pg_terminate_backend)',
      }),
    ];
  });
}
