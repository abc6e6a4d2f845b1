import type { Revision } from './route.js';

/**
 * Who may be promoted. An entitled member has every acknowledged commit: that is what every write of this record,
 * and every change of PostgreSQL's synchronous_standby_names, has to keep true.
 */
export interface Entitlement {
  /** PostgreSQL's system identifier: decimal text, as it passes 2^53. */
  readonly system: string;
  /** One more with every write, so that no write leaves the value as it was. */
  readonly counter: number;
  /** The last confirmed primary, and the timeline it writes. */
  readonly primary: string;
  readonly timeline: number;
  /** Who is about to become primary, on which timeline: an open claim. */
  readonly claim: Claim | undefined;
  /** Member by member the WAL position at which it was entitled. The primary is among them. */
  readonly entitled: ReadonlyMap<string, bigint>;
  /** The highest timeline that was ever reserved: none is used twice. */
  readonly highest: number;
}

export interface Claim {
  readonly member: string;
  readonly timeline: number;
}

/** A member's name in the cluster manager, which is its application_name as a standby. */
export const MEMBER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What a member keeps of the record outside its data directory: the highest that it has seen. */
export interface SeenRecord {
  readonly system: string;
  /** The highest timeline that was reserved. */
  readonly timeline: number;
  readonly counter: number;
}

/** Why nothing may be built on a record: it is older than one that was seen, or of another system. undefined: it is neither. */
export function whyOlder(
  { system, counter, highest }: Entitlement,
  seen: SeenRecord | undefined,
): string | undefined {
  if (seen === undefined) return undefined;
  if (system !== seen.system)
    return `the record in etcd is of system ${system}, and this node has seen one of ${seen.system}`;
  if (counter >= seen.counter && highest >= seen.timeline) return undefined;
  return (
    `the record in etcd has counter ${counter} and highest timeline ${highest}, ` +
    `and this node has seen ${seen.counter} and ${seen.timeline}`
  );
}

/** What is in etcd. A value that is not understood is not nothing: nobody may be promoted or entitled by it. */
export type EntitlementReading =
  | { readonly kind: 'record'; readonly record: Entitlement; readonly revision: Revision }
  | { readonly kind: 'missing'; readonly revision: Revision }
  | { readonly kind: 'bad'; readonly why: string; readonly revision: Revision };

/**
 * What came of a write. `in-doubt`: it may have been made, or be made at any later time, also after a read that
 * does not show it. Another write that is made settles that.
 */
export type EntitlementOutcome =
  | { readonly kind: 'made'; readonly revision: Revision }
  | { readonly kind: 'refused' }
  | { readonly kind: 'in-doubt'; readonly why: string };

export interface EntitlementStore {
  /** A linearizable read. @throws PgcmError `unavailable`, `timed-out`, `aborted` */
  read(signal: AbortSignal): Promise<EntitlementReading>;

  /** Reports the record at once, then on every change, like RouteStore.follow. */
  follow(onReading: (reading: EntitlementReading) => void, signal: AbortSignal): Promise<void>;

  /**
   * Writes the record if nobody has written it since it was read at this revision (0n: there was none).
   * @throws PgcmError `unavailable`, `aborted`: it was not written, and will not be
   */
  write(record: Entitlement, expected: Revision, signal: AbortSignal): Promise<EntitlementOutcome>;

  /** The same, and removes the published topology with it, whose timeline may be of another history. */
  adopt(record: Entitlement, expected: Revision, signal: AbortSignal): Promise<EntitlementOutcome>;
}

/** The record as the primary that it names writes it: whoever is entitled now, and no claim. */
export function entitling(record: Entitlement, entitled: ReadonlyMap<string, bigint>): Entitlement {
  return { ...record, counter: record.counter + 1, claim: undefined, entitled };
}

/** The physical slot that a standby of this name streams through: a slot has one walsender at a time. */
export function slotOf(member: string): string {
  return member.toLowerCase().replace(/[^a-z0-9_]/g, '_');
}
