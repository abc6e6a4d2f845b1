import type { FoundLock } from '../../domain/stores.js';
import type { Finding } from '../../domain/switchover.js';
import type { Milliseconds } from '../../domain/time.js';
import { formatDuration } from '../../runtime/durations.js';
import { addressOf } from '../candidates.js';
import { expectedPause } from '../expected-pause.js';
import { primaryNode, valueOf, type Answer, type Facts } from '../facts.js';
import { forbids, notice, overridable } from './finding.js';

/** What etcd says: where clients are led, who else runs a switchover, how the last ones went. */
export function etcdFindings(
  facts: Facts,
  ownId: string,
  expiry: Milliseconds | 'never',
): readonly Finding[] {
  return [...unread(facts), ...route(facts), ...lock(facts.lock, ownId), ...history(facts, expiry)];
}

function unread({
  route: published,
  proxies,
  seen,
  topology,
  lock: found,
  history: past,
}: Facts): readonly Finding[] {
  const needed = [published, proxies, found, past].flatMap(failureOf);
  const useful = [seen, topology].flatMap(failureOf);
  return [
    ...needed.map((text) => forbids({ kind: 'etcd-silent', text, wayOut: 'bring etcd back first' })),
    ...useful.map((text) => notice({ kind: 'etcd-silent', text })),
  ];
}

function failureOf(answer: Answer<unknown>): readonly string[] {
  return answer.kind === 'failure' ? [answer.error] : [];
}

function route(facts: Facts): readonly Finding[] {
  const reading = valueOf(facts.route);
  if (reading === undefined) return [];
  if (reading.kind !== 'route') {
    const found = reading.kind === 'bad' ? reading.why : 'its key does not exist';
    const text = `no primary is published in etcd: ${found}`;
    return [
      forbids({
        kind: 'no-route',
        text,
        wayOut: "is supervise running on the primary's node? its log says what keeps it",
      }),
    ];
  }
  const primary = primaryNode(facts);
  const address = primary && addressOf(facts, primary.name);
  if (address === undefined || address === reading.route.address) return [];
  const text = `clients are led to ${reading.route.address}, and the primary ${primary?.name ?? ''} is ${address}`;
  return [forbids({ kind: 'wrong-route', text, wayOut: 'supervise mends it; its log says what keeps it' })];
}

function lock(found: Answer<FoundLock | undefined>, ownId: string): readonly Finding[] {
  const other = valueOf(found);
  if (other === undefined || other.holder?.id === ownId) return [];
  const wayOut =
    'wait for it to end; if it died, its lock is free once its lease has ended (10s), or by pgcm cleanup';
  return [
    forbids({
      kind: 'lock-held',
      text: `another run holds the failover lock: ${describeHolder(other)}`,
      wayOut,
    }),
  ];
}

function describeHolder({ holder, revision, key }: FoundLock): string {
  if (holder === undefined)
    return `one that left no name, as pgsql-cluster-manager's (${key}, revision ${revision})`;
  return `switchover ${holder.id} on ${holder.host}, pid ${holder.pid}, since ${holder.since}`;
}

/** An operator who has never seen this cluster move its primary has to say that a wait of unknown length is fine. */
function history(facts: Facts, expiry: Milliseconds | 'never'): readonly Finding[] {
  const listing = valueOf(facts.history);
  if (listing === undefined || expectedPause(listing.reports) !== undefined) return [];
  const { problems } = listing;
  const unread =
    problems.length === 0 ? '' : `; reports not understood: ${problems.length}, such as ${problems[0] ?? ''}`;
  const most =
    expiry === 'never'
      ? 'without a limit, as pause-expiry is 0'
      : `at most ${formatDuration(expiry)}, by pause-expiry`;
  const text = `no switchover that moved the primary of this cluster is on record, so how long clients will wait cannot be told: ${most}${unread}`;
  const wayOut =
    'if that is fine: --force, which overrides every overridable finding, so look at the other ones first';
  return [overridable({ kind: 'no-history', text, wayOut })];
}
