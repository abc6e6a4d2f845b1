/**
 * The texts of synchronous_standby_names. FIRST n (names) waits for n *walsenders* that have a place in the list, so
 * what keeps every commit waiting is a count that no number of walsenders reaches. See docs/decisions/0014.
 */

/** No standby has this name. */
const NOBODY = 'pgcm_barrier';

/** Above any max_wal_senders that a machine bears. */
const NEVER_REACHED = 1_000;

/** The most standbys that a list of ours names. */
export const MOST_STANDBYS = 8;

/** The standbys come after so many places that nobody has: whoever has a later one follows a barrier, no list. */
const PLACES_BEFORE = MOST_STANDBYS;

/** Commits wait for all of these; for none when there are none. */
export function listOf(standbys: Iterable<string>): string {
  const names = quoted(standbys);
  return names.length === 0 ? '' : `FIRST ${names.length} (${names.join(', ')})`;
}

/** Commits wait for ever; each of these standbys has a place that tells of the barrier. */
export function barrierAround(standbys: Iterable<string>): string {
  const names = quoted(standbys);
  const before = names.length === 0 ? 1 : PLACES_BEFORE;
  const all = [...Array.from({ length: before }, () => NOBODY), ...names];
  return `FIRST ${NEVER_REACHED} (${all.join(', ')})`;
}

/** Whether a walsender with this place follows a barrier: then it ends no wait. */
export function followsBarrier(place: number): boolean {
  return place > PLACES_BEFORE;
}

/** Whether a walsender with this place follows a list, and so ends waits. */
export function followsList(place: number): boolean {
  return place > 0 && !followsBarrier(place);
}

/** Names of members have no quotes in them. */
function quoted(standbys: Iterable<string>): readonly string[] {
  return [...standbys].sort().map((name) => `"${name}"`);
}
