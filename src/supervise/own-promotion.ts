import type { Topology } from '../domain/cluster.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { wantedPrimary, type Wanted } from './decision.js';

/** What is seen of this node's own PostgreSQL. */
export interface WatchedRole {
  /** Since when it is known that it left recovery under our eyes, on a new timeline, and takes writes. */
  readonly promotedSince: Milliseconds | undefined;
  /** The cluster manager says that it is the primary: its promotion has nothing more to tell. */
  settle(): void;
}

/** The record of who may be promoted, where the cluster's agent keeps one. */
export interface WatchedRecord {
  /** There is one: without it nobody is promoted. */
  readonly exists: boolean;
  /** This node has claimed the timeline that PostgreSQL writes here, and is to confirm it. */
  readonly claimedByUs: boolean;
  /** It has confirmed this node as the primary of the timeline that PostgreSQL writes here, and nobody claims to follow. */
  readonly confirmsUs: boolean;
}

/**
 * A promotion here is published from a look that began before it, if that is no older than this and shows
 * that nobody else can be primary: docs/decisions/0008-early-publishing.md says why that is safe.
 */
const YOUNG: Milliseconds = 500;

/** A promotion of this node's PostgreSQL under our eyes, from the moment it is seen until the cluster manager names it. */
export class OwnPromotion {
  readonly #role: WatchedRole;
  readonly #record: WatchedRecord;

  constructor(role: WatchedRole, record: WatchedRecord) {
    this.#role = role;
    this.#record = record;
  }

  /** The record is a better proof than any look: 0008-early-publishing.md says why. */
  get isConfirmed(): boolean {
    return this.#role.promotedSince !== undefined && this.#record.confirmsUs;
  }

  /** The record will say it in a moment. */
  get isToBeConfirmed(): boolean {
    return this.#role.promotedSince !== undefined && this.#record.claimedByUs;
  }

  /** Nobody looks for it: the record will tell, and looks would take the processors from the promotion. */
  get isToldByRecord(): boolean {
    return this.#record.exists;
  }

  /**
   * Who should be published after a look that began then.
   * @param local this node's name
   */
  wanted(topology: Topology, began: Milliseconds, local: string): Wanted {
    const since = this.#role.promotedSince;
    const { primary } = topology;
    // A look from before it may name this node because of an earlier one.
    const isLater = since !== undefined && began >= since;
    const isNamed = primary.kind === 'one' && primary.name === local;
    if (this.isConfirmed && !(isNamed && isLater)) return { kind: 'primary', name: local, early: true };
    const promotedHere = since !== undefined && (isLater || monotonic() - began <= YOUNG);
    const wanted = wantedPrimary(topology, local, { promotedHere });
    // From here on the cluster manager's word counts: when it takes the role away again, a PostgreSQL
    // that was stopped a moment ago must not be published because of its promotion long before.
    if (isNamed && isLater && wanted.kind === 'primary') this.#role.settle();
    return wanted;
  }
}
