import { PgcmError } from '../domain/errors.js';
import type { Address } from '../domain/address.js';
import type { Located } from '../domain/cluster.js';
import type { Log } from '../domain/log.js';
import type { Mandate } from '../domain/mandate.js';
import type { NodeApi } from '../domain/node-api.js';
import type { Route } from '../domain/route.js';
import type {
  FailoverLock,
  HeldLock,
  HistoryStore,
  LockHolder,
  LockView,
  PauseRequests,
  ProxyListing,
  ProxyRegistry,
  RouteReading,
  RouteStore,
  TopologyStore,
} from '../domain/stores.js';
import type { Finding } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import type { Facts } from './facts.js';
import type { Watched } from './watched.js';

export interface SwitchoverOptions {
  readonly healthCheckTimeout: Milliseconds;
  readonly lockTimeout: Milliseconds;
  /** `skip`: no checkpoint is made. */
  readonly checkpointTimeout: Milliseconds | 'skip';
  readonly pauseTimeout: Milliseconds;
  readonly pauseExpiry: Milliseconds | 'never';
  readonly resumeTimeout: Milliseconds;
  /** The time a move may take to be accepted. */
  readonly pacemakerTimeout: Milliseconds;
  /** The time the target may take until it takes writes. */
  readonly promoteTimeout: Milliseconds;
  /** `skip`: the old primary stays as the cluster manager leaves it. */
  readonly rejoinTimeout: Milliseconds | 'skip';
  readonly etcdTimeout: Milliseconds;
  /** The member to move to; undefined: the synchronous standby. */
  readonly to: string | undefined;
  /** Go on in spite of overridable findings. */
  readonly force: boolean;
  /** Transactions that are open for longer are ended before the pause; undefined: none. */
  readonly terminateBlockers: Milliseconds | undefined;
  /** Bytes. */
  readonly maxLag: number;
}

/** What a switchover reaches the world through. */
export interface SwitchoverPorts {
  readonly apis: readonly NodeApi[];
  readonly lock: FailoverLock;
  readonly lockView: LockView;
  readonly routes: RouteStore;
  readonly requests: PauseRequests;
  readonly proxies: ProxyRegistry;
  readonly topology: Pick<TopologyStore, 'read'>;
  readonly history: HistoryStore;
  readonly log: Log;
}

/** How far the move of the primary got. Before `requested` nothing was touched but the clients' pace. */
export type Move =
  | { readonly kind: 'not-begun' }
  | { readonly kind: 'requested' }
  | { readonly kind: 'accepted'; readonly target: Located }
  | { readonly kind: 'done'; readonly target: Located; readonly route: Route };

/** What is known to wait, and for whom the release has to be waited. */
export interface Pausing {
  /** From the first order to pause, on the monotonic clock. */
  readonly since: Milliseconds;
  /** Where clients were led. */
  readonly from: Route;
  /** Nodes without a registered proxy, which were asked by rpc. */
  readonly byRpc: readonly NodeApi[];
  /** Proxies that said that their clients wait, or that may. */
  readonly proxies: ReadonlySet<string>;
  /** When the release ended, with the last word that clients run again; undefined before. */
  readonly until: Milliseconds | undefined;
}

/** The roles in this switchover, as the check found them. */
export interface Plan {
  /** The old primary, and the timeline that it writes. */
  readonly primary: string;
  readonly timeline: number;
  readonly target: string;
  /** As supervise publishes it; undefined when it does not. */
  readonly targetAddress: Address | undefined;
  /** Proxies and nodes whose bouncers were found out of order, and which `force` goes on without. */
  readonly exempt: ReadonlySet<string>;
}

/** What the steps of one switchover share. */
export interface SwitchoverContext extends SwitchoverPorts {
  readonly options: SwitchoverOptions;
  readonly holder: LockHolder;
  /** Filled by `check`, and anew under the lock. */
  facts: Facts | undefined;
  findings: readonly Finding[];
  plan: Plan | undefined;
  /** Filled by `lock`. */
  held: HeldLock | undefined;
  /** Opened by `pause` before clients wait; closed at the end of the run. */
  watched: { readonly proxies: Watched<ProxyListing>; readonly route: Watched<RouteReading> } | undefined;
  /** Filled by `pause` before the first bouncer is asked. */
  pausing: Pausing | undefined;
  move: Move;
  /** After a move that was not seen done: the one node that takes writes, where there is one. */
  writable: string | undefined;
}

/** The state in which a run begins. */
export function newContext(
  ports: SwitchoverPorts,
  options: SwitchoverOptions,
  holder: LockHolder,
): SwitchoverContext {
  return {
    ...ports,
    options,
    holder,
    facts: undefined,
    findings: [],
    plan: undefined,
    held: undefined,
    watched: undefined,
    pausing: undefined,
    move: { kind: 'not-begun' },
    writable: undefined,
  };
}

/** What every rpc that acts bears from the lock on. */
export function mandateOf({ held, holder, options }: SwitchoverContext): Mandate {
  if (held === undefined) throw new PgcmError('internal', 'there is no mandate before the lock is held');
  const mandate = { switchover: holder.id, lockRevision: held.revision };
  return options.rejoinTimeout === 'skip' ? { ...mandate, noRejoin: true } : mandate;
}

export function planOf({ plan }: SwitchoverContext): Plan {
  if (plan === undefined) throw new PgcmError('internal', 'there is no plan before the check');
  return plan;
}

/** The API of a member; undefined when no endpoint is of this name. */
export function apiOf({ facts }: SwitchoverContext, member: string): NodeApi | undefined {
  return facts?.nodes.find(({ name }) => name === member)?.api;
}
