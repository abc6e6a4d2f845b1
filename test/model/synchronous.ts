import type { MemberId, Names, Sender } from './state.js';
import { barrier, has } from './state.js';
import type { Rules } from './rules.js';

/** A walsender and the standby it belongs to. */
export interface Walsender extends Sender {
  readonly standby: MemberId;
}

/** No walsender may end a wait. */
export const none = -1;

/**
 * Up to which position commits need not wait any more, as PostgreSQL has it for FIRST n (names), where n is how many
 * names there are. It does not ask whether each *name* is there. A walsender counts whom it sees in shared memory:
 * those that are named by *their own* copy of the list, one that is there twice counts twice; it takes the n first
 * of them by *their own* places in the list, and if it is among them and they are n, all up to the least of their
 * positions is released. Which of equals is first is not told: here the one that releases more.
 */
export function releasedUpTo(rules: Rules, walsenders: readonly Walsender[]): number {
  let released = none;
  for (const own of walsenders) {
    if (!has(own.names, own.standby)) continue;
    // FIRST 1000 (names) waits for ever; FIRST 2 (name, barrier) waits for any two.
    if (rules['3-count'] && (own.names & barrier) !== 0) continue;
    const first = candidates(walsenders, own).slice(0, count(own.names));
    if (first.length < count(own.names) || !first.includes(own)) continue;
    released = Math.max(released, Math.min(...first.map(({ flushed }) => flushed)));
  }
  return released;
}

function candidates(walsenders: readonly Walsender[], own: Walsender): readonly Walsender[] {
  const isOwn = (walsender: Walsender) => Number(walsender === own);
  return walsenders
    .filter(({ names, standby }) => has(names, standby))
    .sort((a, b) => place(a) - place(b) || isOwn(b) - isOwn(a) || b.flushed - a.flushed);
}

/** The barrier is named last. */
function place({ names, standby }: Walsender): number {
  return count(names & ((1 << standby) - 1));
}

/** How many names. */
export function count(names: Names): number {
  let left = names;
  let bits = 0;
  for (; left !== 0; left &= left - 1) bits++;
  return bits;
}
