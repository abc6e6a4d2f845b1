import { describeError, hasCode } from '../domain/errors.js';
import type { NodeInspection } from '../domain/inspection.js';
import type { NodeApi, NodeHealth } from '../domain/node-api.js';
import type { FoundLock, HistoryListing, ProxyListing, RouteReading } from '../domain/stores.js';
import type { PublishedTopology, SeenProxy } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { manyListeners, runWithDeadline } from '../runtime/deadline.js';
import type { SwitchoverOptions, SwitchoverPorts } from './context.js';

/** What was asked for and came, or why it did not. */
export type Answer<T> =
  | { readonly kind: 'answer'; readonly value: T }
  | {
      readonly kind: 'failure';
      readonly error: string;
      /** `restarting`: nobody listens there, perhaps only for a moment. */
      readonly why: 'unsupported' | 'restarting' | 'other';
    };

/** A Postgres node, as far as it answers. */
export interface NodeFacts {
  readonly api: NodeApi;
  /** In the cluster manager; empty when its server does not tell (a pgsql-cluster-manager's). */
  readonly name: string;
  readonly health: Answer<NodeHealth>;
  readonly inspection: Answer<NodeInspection>;
}

/** Everything that the findings are made from: one look at the nodes and at etcd. */
export interface Facts {
  readonly nodes: readonly NodeFacts[];
  readonly route: Answer<RouteReading>;
  readonly proxies: Answer<ProxyListing>;
  readonly seen: Answer<readonly SeenProxy[]>;
  readonly topology: Answer<PublishedTopology | undefined>;
  /** Of another run. */
  readonly lock: Answer<FoundLock | undefined>;
  readonly history: Answer<HistoryListing>;
}

type Sources = Pick<SwitchoverPorts, 'apis' | 'routes' | 'proxies' | 'topology' | 'lockView' | 'history'>;

/**
 * How long one inspection of a node may take. To tell a stale walsender from a slow one takes up to 2 s by
 * itself, beside three programs of the cluster manager; clients notice nothing of it.
 */
export function inspectionTimeout({
  healthCheckTimeout,
}: Pick<SwitchoverOptions, 'healthCheckTimeout'>): Milliseconds {
  return healthCheckTimeout + 3_000;
}

/** Asks everybody at the same time. Touches nothing. @throws PgcmError `aborted` only */
export async function gather(
  ports: Sources,
  options: Pick<SwitchoverOptions, 'healthCheckTimeout' | 'etcdTimeout'>,
  outer: AbortSignal,
): Promise<Facts> {
  // So many calls at once listen to it that Node would take it for a leak.
  const signal = manyListeners(outer);
  const read = <T>(what: string, work: (on: AbortSignal) => Promise<T>): Promise<Answer<T>> =>
    answer(signal, () => runWithDeadline(`reading ${what}`, options.etcdTimeout, signal, work));
  const [nodes, route, proxies, seen, topology, lock, history] = await Promise.all([
    Promise.all(ports.apis.map((api) => askNode(api, options, signal))),
    read(ports.routes.key, (on) => ports.routes.read(on)),
    read('the registered proxies', (on) => ports.proxies.list(on)),
    read('the proxies that were here', (on) => ports.proxies.seen(on)),
    read('the topology', (on) => ports.topology.read(on)),
    read('the failover lock', (on) => ports.lockView.owner(on)),
    read('the history', (on) => ports.history.list(on)),
  ]);
  return { nodes, route, proxies, seen, topology, lock, history };
}

async function askNode(
  api: NodeApi,
  options: Pick<SwitchoverOptions, 'healthCheckTimeout'>,
  signal: AbortSignal,
): Promise<NodeFacts> {
  const [health, inspection] = await Promise.all([
    answer(signal, () => api.healthCheck(options.healthCheckTimeout, signal)),
    answer(signal, () => api.inspect(inspectionTimeout(options), signal)),
  ]);
  const name = inspection.kind === 'answer' ? inspection.value.node : '';
  return { api, name: name || (health.kind === 'answer' ? health.value.node : ''), health, inspection };
}

async function answer<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { kind: 'answer', value: await ask() };
  } catch (error) {
    if (signal.aborted) throw error;
    const why = hasCode(error, 'unsupported')
      ? 'unsupported'
      : hasCode(error, 'unavailable')
        ? 'restarting'
        : 'other';
    return { kind: 'failure', error: describeError(error), why };
  }
}

/** The value of an answer; undefined when there is none. */
export function valueOf<T>(answered: Answer<T>): T | undefined {
  return answered.kind === 'answer' ? answered.value : undefined;
}

/** How a node is named in findings. */
export function labelOf({ name, api }: NodeFacts): string {
  return name || api.endpoint;
}

/** The members that the nodes with quorum name as primary; one, when all is well. */
export function primariesOf({ nodes }: Facts): readonly string[] {
  const named = nodes.flatMap(({ inspection }) => {
    const topology = valueOf(inspection)?.manager?.topology;
    if (topology?.quorum !== true) return [];
    const { primary } = topology;
    return primary.kind === 'one' ? [primary.name] : primary.kind === 'several' ? primary.names : [];
  });
  return [...new Set(named)];
}

/** The node that is primary, when there is exactly one and its API is among the endpoints. */
export function primaryNode(facts: Facts): NodeFacts | undefined {
  const [name, another] = primariesOf(facts);
  if (name === undefined || another !== undefined) return undefined;
  return facts.nodes.find((node) => node.name === name);
}
