import { describeError } from '../domain/errors.js';
import type { EntitlementReading, EntitlementStore } from '../domain/entitlement.js';
import type { NodeInspection } from '../domain/inspection.js';
import type { NodeApi } from '../domain/node-api.js';
import type {
  FoundLock,
  HistoryStore,
  LockView,
  PauseRequests,
  ProxyListing,
  ProxyRegistry,
  RouteReading,
  RouteStore,
  TopologyStore,
} from '../domain/stores.js';
import type { PauseRequest, PublishedTopology, SeenProxy, SwitchoverReport } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

export interface StatusSources {
  readonly routes: RouteStore;
  readonly topologies: Pick<TopologyStore, 'read'>;
  readonly proxies: ProxyRegistry;
  readonly lock: LockView;
  readonly requests: PauseRequests;
  readonly history: HistoryStore;
  readonly entitlements: Pick<EntitlementStore, 'read'>;
  readonly apis: readonly NodeApi[];
  /** For each question to etcd, and to a node. */
  readonly etcdTimeout: Milliseconds;
  readonly nodeTimeout: Milliseconds;
}

/** What a node's API said; undefined when it did not answer. */
export interface NodeAnswer {
  readonly endpoint: string;
  readonly inspection: NodeInspection | undefined;
}

/** All answers. What is undefined was not answered, and `unknown` says why; a lock is `known` to be none. */
export interface Answers {
  readonly route: RouteReading | undefined;
  readonly topology: PublishedTopology | undefined;
  readonly listing: ProxyListing | undefined;
  readonly seen: readonly SeenProxy[];
  readonly lock: { readonly known: FoundLock | undefined } | undefined;
  readonly request: { readonly known: PauseRequest | undefined } | undefined;
  readonly reports: readonly SwitchoverReport[] | undefined;
  readonly entitlement: EntitlementReading | undefined;
  readonly nodes: readonly NodeAnswer[];
  readonly unknown: readonly string[];
}

/** Asks everybody at the same time. Throws only when the signal is aborted. */
export async function gather(sources: StatusSources, signal: AbortSignal): Promise<Answers> {
  const { routes, topologies, proxies, requests, history, apis, nodeTimeout } = sources;
  const unknown: string[] = [];
  const failed = new Map<string, readonly string[]>();
  const ask = async <T>(
    what: string,
    within: Milliseconds,
    question: (on: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await runWithDeadline(what, within, signal, question);
    } catch (error) {
      signal.throwIfAborted();
      // One trouble with etcd answers all questions to it; it is told once.
      const why = describeError(error).replace(/ get \S+:/, '');
      failed.set(why, [...(failed.get(why) ?? []), what]);
      return undefined;
    }
  };
  const etcd = sources.etcdTimeout;
  const [route, topology, listing, seen, lock, request, reports, entitlement, nodes] = await Promise.all([
    ask('the route', etcd, (on) => routes.read(on)),
    ask('the published topology', etcd, (on) => topologies.read(on)),
    ask('the proxies', etcd, (on) => proxies.list(on)),
    ask('the proxies that have vanished', etcd, (on) => proxies.seen(on)),
    ask('the failover lock', etcd, async (on) => ({ known: await sources.lock.owner(on) })),
    ask('the pause request', etcd, async (on) => ({ known: await requests.read(on) })),
    ask('the history', etcd, (on) => history.list(on)),
    ask('who may be promoted', etcd, (on) => sources.entitlements.read(on)),
    Promise.all(
      apis.map(async (api): Promise<NodeAnswer> => {
        const inspection = await ask(api.endpoint, nodeTimeout, (on) => api.inspect(nodeTimeout, on));
        for (const problem of inspection?.problems ?? []) unknown.push(`${api.endpoint}: ${problem}`);
        return { endpoint: api.endpoint, inspection };
      }),
    ),
  ]);
  return {
    route,
    topology,
    listing,
    seen: seen ?? [],
    lock,
    request,
    reports: reports?.reports,
    entitlement,
    nodes,
    unknown: [
      ...[...failed].map(([why, whats]) => `${whats.join(', ')}: ${why}`),
      ...unknown,
      ...(listing?.problems ?? []),
      ...(reports?.problems ?? []),
      ...(entitlement?.kind === 'bad' ? [entitlement.why] : []),
    ],
  };
}
