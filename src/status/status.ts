import type { PublishedTopology, SwitchoverReport } from '../domain/switchover.js';
import type { ClusterStatus } from './cluster-status.js';
import { gather, type Answers, type StatusSources } from './gather.js';
import { whatIsWrong } from './judge.js';
import { membersOf } from './members.js';

/** How many of the last switchovers are shown. */
const LAST = 5;

/** Looks at everything at the same time. @param now the wall clock: for people, nothing is decided by it */
export async function clusterStatus(
  sources: StatusSources,
  now: () => Date,
  signal: AbortSignal,
): Promise<ClusterStatus> {
  const answers = await gather(sources, signal);
  const registered = new Set(answers.listing?.proxies.map(({ id }) => id));
  const facts = {
    takenAt: now().toISOString(),
    unknown: [...answers.unknown, ...withoutApi(answers)],
    route: routeOf(answers),
    members: membersOf(answers),
    proxies: answers.listing?.proxies,
    // Who is registered is not known without the list.
    vanished: answers.listing === undefined ? [] : answers.seen.filter(({ id }) => !registered.has(id)),
    lock: answers.lock && (answers.lock.known ?? ('free' as const)),
    request: answers.request && (answers.request.known ?? ('none' as const)),
    moves: movesOf(answers),
    entitled:
      answers.entitlement?.kind === 'record'
        ? [...answers.entitlement.record.entitled.keys()].sort()
        : undefined,
    obstacles: distinctBy(
      answers.nodes.flatMap(({ inspection }) => inspection?.manager?.obstacles ?? []),
      ({ kind, text }) => `${kind} ${text}`,
    ),
    history: answers.reports?.slice(0, LAST),
  };
  return { ...facts, wrong: whatIsWrong(answers, facts) };
}

function routeOf({ route: reading, topology, reports }: Answers): ClusterStatus['route'] {
  if (reading?.kind !== 'route') return undefined;
  const { route } = reading;
  return {
    ...route,
    since: sinceTopology(topology, route.address) ?? sinceReport(reports ?? [], route.address),
  };
}

/** Its primary became one at that time. */
function sinceTopology(topology: PublishedTopology | undefined, address: string): string | undefined {
  const { primary, members = [] } = topology ?? {};
  if (primary?.state !== 'up') return undefined;
  const is = members.find(({ name }) => name === primary.name)?.address === address;
  return is ? primary.since : undefined;
}

/** The newest switchover that moved anything led there. */
function sinceReport(reports: readonly SwitchoverReport[], address: string): string | undefined {
  const last = reports.find(({ outcome }) => outcome === 'done');
  if (last?.to?.address !== address) return undefined;
  const end = Date.parse(last.startedAt) + last.elapsed;
  return Number.isFinite(end) ? new Date(end).toISOString() : undefined;
}

/** Members whose own word is missing because no endpoint of theirs is configured. */
function withoutApi(answers: Answers): readonly string[] {
  const silent = answers.nodes.some(({ inspection }) => inspection === undefined);
  if (silent) return [];
  const missing = membersOf(answers).filter(({ api }) => api === '');
  return missing.map(({ name }) => `${name}: failover-api-endpoints has no API of this member`);
}

function movesOf({ nodes }: Answers): readonly string[] | undefined {
  const told = nodes.flatMap(({ inspection }) => inspection?.manager ?? []);
  return told.length === 0 ? undefined : [...new Set(told.flatMap(({ moves }) => moves))];
}

/** Every node tells of the same cluster. */
function distinctBy<T>(values: readonly T[], key: (value: T) => string): readonly T[] {
  return [...new Map(values.map((value) => [key(value), value])).values()];
}
