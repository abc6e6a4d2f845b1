import type { Address } from '../domain/address.js';
import type { Located } from '../domain/cluster.js';
import type { Log } from '../domain/log.js';
import type { NodeApi } from '../domain/node-api.js';
import type { FailoverLock, HeldLock, LockHolder, RouteStore } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';

export interface SwitchoverOptions {
  readonly healthCheckTimeout: Milliseconds;
  readonly lockTimeout: Milliseconds;
  readonly pauseTimeout: Milliseconds;
  readonly pauseExpiry: Milliseconds | 'never';
  readonly resumeTimeout: Milliseconds;
  /** The time a move may take to be accepted. */
  readonly pacemakerTimeout: Milliseconds;
  /** The time the target may take until it takes writes. */
  readonly promoteTimeout: Milliseconds;
  readonly etcdTimeout: Milliseconds;
}

/** A Postgres node: its API and the name it told. */
export interface Node {
  readonly api: NodeApi;
  /** In the cluster manager; empty when its server does not tell (a pgsql-cluster-manager's). */
  readonly name: string;
}

/** How far the move of the primary got. Before `requested` nothing was touched but the clients' pace. */
export type Move =
  | { readonly kind: 'not-begun' }
  | { readonly kind: 'requested' }
  | { readonly kind: 'accepted'; readonly target: Located }
  | { readonly kind: 'done'; readonly target: Located };

/** What the steps of one switchover share. */
export interface SwitchoverContext {
  readonly options: SwitchoverOptions;
  readonly apis: readonly NodeApi[];
  readonly lock: FailoverLock;
  readonly holder: LockHolder;
  readonly routes: RouteStore;
  readonly log: Log;
  /** Filled by `check`. */
  nodes: readonly Node[];
  /** Filled by `lock`. */
  held: HeldLock | undefined;
  /** Where clients are led when `pause` begins; filled by it. */
  from: Address | undefined;
  /** Set by `pause` before the first bouncer is asked. */
  pauseRequested: boolean;
  move: Move;
}
