import type { Role } from '../domain/cluster.js';
import type { Obstacle, WalSender } from '../domain/inspection.js';
import type { Route } from '../domain/route.js';
import type { FoundLock } from '../domain/stores.js';
import type { PauseRequest, ProxyState, SeenProxy, SwitchoverReport } from '../domain/switchover.js';

/** The whole cluster as it was found, what is wrong with it, and what could not be found out. */
export interface ClusterStatus {
  /** RFC 3339. */
  readonly takenAt: string;
  readonly wrong: readonly string[];
  readonly unknown: readonly string[];
  readonly route: (Route & { readonly since: string | undefined }) | undefined;
  readonly members: readonly MemberStatus[];
  /** What is undefined from here on is not known. */
  readonly proxies: readonly ProxyState[] | undefined;
  readonly vanished: readonly SeenProxy[];
  readonly lock: FoundLock | 'free' | undefined;
  readonly request: PauseRequest | 'none' | undefined;
  /** The ids of the switchovers whose move is still asked for. */
  readonly moves: readonly string[] | undefined;
  /** Who may be promoted, with pgcm's own agent; undefined: there is no such record, or it is not known. */
  readonly entitled: readonly string[] | undefined;
  readonly obstacles: readonly Obstacle[];
  /** Newest first. */
  readonly history: readonly SwitchoverReport[] | undefined;
}

export interface MemberStatus {
  readonly name: string;
  /** Empty when it is not known. */
  readonly address: string;
  readonly api: string;
  /** As the cluster manager says. */
  readonly role: Role;
  readonly syncState: WalSender['syncState'] | 'unknown';
  readonly online: boolean;
  /** Of a standby. */
  readonly streaming: boolean | undefined;
  readonly lag: number | undefined;
  readonly timeline: number | undefined;
}

export function isWell({ wrong, unknown }: ClusterStatus): boolean {
  return wrong.length === 0 && unknown.length === 0;
}
