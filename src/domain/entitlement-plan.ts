import type { Entitlement } from './entitlement.js';
import { barrierAround, listOf } from './synchronous-names.js';

/** What the manager of a primary has before it when it decides. */
export interface Situation {
  /** The primary's own name. */
  readonly self: string;
  readonly record: Entitlement;
  /** synchronous_standby_names. */
  readonly names: string;
  /** The entitled standbys that stream. */
  readonly there: ReadonlySet<string>;
  /** Standbys that could be entitled, the best first. */
  readonly candidates: readonly string[];
  /** How many shall be entitled. */
  readonly wanted: number;
  /** With none entitled commits wait, in place of being acknowledged by the primary alone. */
  readonly strict: boolean;
}

/**
 *     keep    all is as it should be
 *     shrink  the record first, then PostgreSQL
 *     grow    the barrier, the proof, the record, then PostgreSQL; whoever is gone goes with it
 *     settle  PostgreSQL differs from the record, whatever was begun: the record is written anew first
 *
 * `standbys` are those that shall be entitled beside the primary.
 */
export interface Plan {
  readonly kind: 'keep' | 'shrink' | 'grow' | 'settle';
  readonly standbys: ReadonlySet<string>;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export function planFor(situation: Situation): Plan {
  const { record, self, names, there, candidates, wanted, strict } = situation;
  const entitled = standbysOf(record, self);
  const kept = entitled.filter((name) => there.has(name)).slice(0, wanted);
  const removed = entitled.filter((name) => !kept.includes(name));
  const added = candidates.filter((name) => !entitled.includes(name)).slice(0, wanted - kept.length);
  const standbys = new Set([...kept, ...added]);
  if (added.length > 0) return { kind: 'grow', standbys, added, removed };
  if (removed.length > 0) return { kind: 'shrink', standbys, added, removed };
  const differs = names !== namesFor(standbys, strict);
  return { kind: differs ? 'settle' : 'keep', standbys, added, removed };
}

export function standbysOf({ entitled }: Entitlement, self: string): readonly string[] {
  return [...entitled.keys()].filter((name) => name !== self).sort();
}

/** What synchronous_standby_names says when these standbys are entitled. */
export function namesFor(standbys: ReadonlySet<string>, strict: boolean): string {
  return standbys.size === 0 && strict ? barrierAround([]) : listOf(standbys);
}
