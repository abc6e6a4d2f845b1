import type { RouteReading } from '../domain/stores.js';
import type { ProxyHold, ProxyState } from '../domain/switchover.js';
import type { ClusterStatus, MemberStatus } from './cluster-status.js';
import type { Answers } from './gather.js';
import { topologyOf } from './members.js';

type Judged = Pick<
  ClusterStatus,
  'members' | 'proxies' | 'vanished' | 'lock' | 'request' | 'moves' | 'obstacles'
>;

/**
 * What is wrong. While a failover runs, pauses and its move are as they must be: nothing is said of them, but
 * that it runs is seen from the lock.
 */
export function whatIsWrong(answers: Answers, status: Judged): readonly string[] {
  return [
    ...routeWrong(answers.route, status.members),
    ...managerWrong(answers),
    ...nobodyEntitled(answers, status.members),
    ...primariesWrong(answers),
    ...status.members.flatMap(memberWrong),
    ...standbysWrong(status.members),
    ...status.obstacles.map(({ text, wayOut }) => `${text}: ${wayOut}`),
    ...leftovers(status),
    ...(status.proxies ?? []).flatMap((proxy) => proxyWrong(proxy, answers.route, status.lock)),
    ...status.vanished.map(
      ({ id, host, since }) =>
        `proxy ${id} (on ${host || 'an unknown host'}, registered last at ${since || 'an unknown time'}) is gone: ` +
        `start it, or \`pgcm cleanup --forget-proxy ${id}\``,
    ),
  ];
}

function routeWrong(reading: RouteReading | undefined, members: readonly MemberStatus[]): readonly string[] {
  if (reading === undefined) return [];
  if (reading.kind === 'missing') return ['no route is published: see the log of supervise'];
  if (reading.kind === 'bad') return [`the published route is no address: ${reading.why}`];
  const { address } = reading.route;
  const primary = members.find(({ role }) => role === 'primary');
  if (primary === undefined || primary.address === '' || primary.address === address) return [];
  return [`clients are led to ${address}, but the primary is ${primary.name} (${primary.address})`];
}

function managerWrong(answers: Answers): readonly string[] {
  const topology = topologyOf(answers);
  if (topology === undefined) return [];
  const wrong = topology.quorum ? [] : ['the cluster has no quorum, as far as any node can see'];
  const { primary } = topology;
  if (primary.kind === 'none') return [...wrong, `there is no primary: ${primary.why}`];
  if (primary.kind === 'several') return [...wrong, `several primaries: ${primary.names.join(', ')}`];
  return wrong;
}

/** With pgcm's own agent: why nobody is promoted though standbys are up. */
function nobodyEntitled(answers: Answers, members: readonly MemberStatus[]): readonly string[] {
  if (topologyOf(answers)?.primary.kind !== 'none' || answers.entitlement?.kind !== 'record') return [];
  const names = [...answers.entitlement.record.entitled.keys()].sort();
  const isUp = (name: string): boolean =>
    members.some((member) => member.name === name && member.online && member.role !== 'stopped');
  if (names.some(isUp)) return [];
  return [
    `nobody is promoted, as nobody is up who has every acknowledged commit (${names.join(', ')}): bring one of these back; ` +
      'if their disks are lost, see `pgcm adopt`',
  ];
}

/** The cluster manager's word is one thing, what the servers do another. */
function primariesWrong({ nodes }: Answers): readonly string[] {
  const writable = nodes
    .filter(({ inspection }) => inspection?.postgres?.inRecovery === false)
    .map(({ inspection, endpoint }) => inspection?.node || endpoint);
  return writable.length > 1 ? [`more than one PostgreSQL is not in recovery: ${writable.join(', ')}`] : [];
}

function memberWrong({ name, online, role, streaming, timeline }: MemberStatus): readonly string[] {
  if (!online) return [`${name} is not online in the cluster manager`];
  if (role === 'stopped') return [`${name}: its PostgreSQL is stopped`];
  if (role === 'standby' && streaming === false) {
    return [`${name}: the standby receives no WAL${timeline === undefined ? '' : ` (timeline ${timeline})`}`];
  }
  return [];
}

function standbysWrong(members: readonly MemberStatus[]): readonly string[] {
  const known = members.some(({ syncState }) => syncState !== 'unknown');
  const sync = members.some(({ syncState }) => syncState === 'sync' || syncState === 'quorum');
  return known && !sync ? ['no standby is synchronous, so the primary cannot be moved'] : [];
}

/** What a run that is over has left. */
function leftovers({ lock, request, moves }: Judged): readonly string[] {
  const left = [
    ...(request === undefined || request === 'none' ? [] : [{ run: request.id, what: 'a pause request' }]),
    ...(moves ?? []).map((run) => ({ run, what: 'a move' })),
  ];
  return left
    .filter(({ run }) => isOver(run, lock))
    .map(
      ({ run, what }) =>
        `${what} of switchover ${run} is left, which does not run any more: \`pgcm cleanup\``,
    );
}

/** Whether that run has ended for certain: the lock is free, or another run that says its name has it. */
function isOver(run: string, lock: Judged['lock']): boolean {
  if (lock === undefined) return false;
  return lock === 'free' || (lock.holder !== undefined && lock.holder.id !== run);
}

/** Whatever the reason is: clients wait, or meet errors. */
function holdWrong(hold: ProxyHold): readonly string[] {
  if (hold.kind === 'none') return [];
  const what =
    hold.kind === 'held'
      ? 'its clients wait, since it found that the primary takes none'
      : 'its clients waited for hold-timeout in vain, run, and meet errors';
  return [`${what} (${hold.why}): see \`crm_mon -1rf\`, and bring a primary back`];
}

function proxyWrong(
  proxy: ProxyState,
  route: RouteReading | undefined,
  lock: Judged['lock'],
): readonly string[] {
  const { id, pause, bouncers } = proxy;
  const wrong: string[] = [];
  const current = route?.kind === 'route' ? route.route : undefined;
  if (proxy.route === undefined) wrong.push('has applied no route yet');
  // While it holds its clients the new route may be on its way.
  else if (current !== undefined && proxy.route.revision < current.revision && pause.kind !== 'paused') {
    wrong.push(
      `leads to ${proxy.route.address} (revision ${proxy.route.revision}), not to ${current.address}`,
    );
  }
  if (pause.kind === 'failed') wrong.push(`could not pause: ${pause.error}`);
  if (pause.kind === 'paused' && isOver(pause.request, lock)) {
    const over = `switchover ${pause.request}, which does not run any more`;
    wrong.push(`holds its clients for ${over}: \`pgcm cleanup\``);
  }
  wrong.push(...holdWrong(proxy.hold));
  for (const { name, error } of bouncers) if (error !== '') wrong.push(`PgBouncer ${name}: ${error}`);
  if (proxy.error !== '') wrong.push(proxy.error);
  return wrong.map((what) => `proxy ${id}: ${what}`);
}
