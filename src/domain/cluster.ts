import type { Address } from './address.js';
import type { ManagerInspection } from './inspection.js';

/** What a member of the cluster does, as the cluster manager sees it. */
export type Role = 'primary' | 'standby' | 'stopped' | 'unknown';

/** How far a commit waits for this standby. `sync`: acknowledged commits are there. */
export type SyncState = 'sync' | 'potential' | 'async' | 'unknown';

export interface Member {
  readonly name: string;
  readonly role: Role;
  readonly syncState: SyncState;
  /** The cluster manager reaches the member. */
  readonly online: boolean;
  /** What runs there is not known until the member was fenced. */
  readonly unclean: boolean;
}

/** Who is primary. "None", "two" and "not known" are three different findings. */
export type PrimaryFinding =
  | { readonly kind: 'one'; readonly name: string }
  | { readonly kind: 'none'; readonly why: string }
  | { readonly kind: 'several'; readonly names: readonly string[] };

/** One look at the cluster manager. A look that fails is an error, never an empty topology. */
export interface Topology {
  readonly quorum: boolean;
  readonly primary: PrimaryFinding;
  readonly members: readonly Member[];
}

/** A member and where to reach it. */
export interface Located {
  readonly name: string;
  readonly address: Address;
}

/**
 * Who decides on the primary. Nothing of an implementation's own vocabulary shows here, because
 * others follow: everything but `look` speaks of members by name.
 */
export interface ClusterManager {
  /** The name this node has in the cluster manager. */
  localName(signal: AbortSignal): Promise<string>;

  /**
   * One look at the cluster as this node sees it.
   * @throws PgcmError `unavailable`, `timed-out`, `invalid-answer`
   */
  look(signal: AbortSignal): Promise<Topology>;

  /** The address of a member, for clients. @throws PgcmError like look */
  addressOf(member: string, signal: AbortSignal): Promise<Address>;

  /** One look, with everything that could stand in the way of a move. @throws PgcmError like look */
  inspect(signal: AbortSignal): Promise<ManagerInspection>;

  /**
   * Asks for the primary to move to `member`; returns when the request is accepted, not when it is done.
   * What it leaves in the cluster manager bears the switchover's id, and ends by itself in about 10 min.
   */
  move(member: string, switchover: string, signal: AbortSignal): Promise<void>;

  /**
   * Takes back the preference that the `move` of this switchover left, and nothing else; without an id
   * those of every switchover. Done also when there was none.
   * @returns the ids of the switchovers whose move was taken back
   */
  cancelMove(switchover: string | undefined, signal: AbortSignal): Promise<readonly string[]>;

  /** The ids of the switchovers whose move is still asked for. */
  moves(signal: AbortSignal): Promise<readonly string[]>;

  /**
   * On this node, whose PostgreSQL is known not to have diverged: removes what makes the cluster manager
   * keep it down, so that it starts it as a standby. Returns when that was asked for.
   */
  readmit(signal: AbortSignal): Promise<void>;

  /** The commands that do the same by hand, for a message. */
  readmitCommands(member: string, signal: AbortSignal): Promise<readonly string[]>;

  /** This node's data directory as the cluster manager knows it; undefined when it does not. */
  dataDirectory(signal: AbortSignal): Promise<string | undefined>;
}

/** The standby that has every acknowledged commit, if there is one that can be promoted now. */
export function syncStandby(topology: Topology): Member | undefined {
  return topology.members.find(
    (m) => m.online && !m.unclean && m.role === 'standby' && m.syncState === 'sync',
  );
}
