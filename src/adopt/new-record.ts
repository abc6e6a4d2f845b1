import {
  whyOlder,
  type Entitlement,
  type EntitlementReading,
  type SeenRecord,
} from '../domain/entitlement.js';
import type { PublishedTopology } from '../domain/switchover.js';

/** What this node's PostgreSQL is. */
export interface OwnData {
  readonly system: string;
  readonly timeline: number;
  readonly position: bigint;
  /** For people. */
  readonly state: string;
}

/**
 * Members that are down may have seen more than this one: a number that they have seen must not be used again, and a
 * record that is lower than what they saw is none to them.
 */
const TIMELINES_AHEAD = 16;
const COUNTERS_AHEAD = 1_000;

/** Why a new record is not needed, or would be wrong; undefined: the old one is lost. */
export function whyNotLost(
  reading: EntitlementReading,
  own: OwnData,
  seen: SeenRecord | undefined,
): string | undefined {
  if (seen !== undefined && seen.system !== own.system) {
    return (
      `the record that this node has seen is of system ${seen.system}, its data are of ${own.system}: if it was given ` +
      'another cluster on purpose, remove the file `highest` in agent-state-dir, and run this again'
    );
  }
  if (reading.kind !== 'record' || reading.record.system !== own.system) return undefined;
  if (whyOlder(reading.record, seen) !== undefined) return undefined;
  return (
    `the record in etcd is there, of this system, and no older than what this node has seen: nothing was lost. ` +
    `Who it entitles may be promoted; ${reading.record.primary} was the last primary`
  );
}

export function newRecord({
  node,
  reading,
  own,
  seen,
  topology,
}: {
  readonly node: string;
  readonly reading: EntitlementReading;
  readonly own: OwnData;
  readonly seen: SeenRecord | undefined;
  readonly topology: PublishedTopology | undefined;
}): Entitlement {
  // Whatever is there of the same system is taken for true where it is higher.
  const there =
    reading.kind === 'record' && reading.record.system === own.system ? reading.record : undefined;
  const published = topology?.systemIdentifier === own.system ? topology.timeline : 0;
  const counter = Math.max(seen?.counter ?? 0, there?.counter ?? 0);
  const highest = Math.max(own.timeline, seen?.timeline ?? 0, there?.highest ?? 0, published);
  return {
    system: own.system,
    counter: counter + COUNTERS_AHEAD,
    primary: node,
    timeline: own.timeline,
    claim: undefined,
    entitled: new Map([[node, own.position]]),
    highest: highest + TIMELINES_AHEAD,
  };
}
