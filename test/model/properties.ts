import { walsendersOf } from './postgres.js';
import type { Rules } from './rules.js';
import type { State } from './state.js';
import { has, memberOf, nameOf, namesText } from './state.js';
import { none, releasedUpTo } from './synchronous.js';
import { commitsIn, lettersOf, timelineOf } from './wal.js';

/**
 * What must hold in every state.
 * @returns what does not
 */
export function broken(state: State): string | undefined {
  return lost(state) ?? wronglyEntitled(state) ?? needlesslyWithdrawn(state);
}

/**
 * Every acknowledged commit is in the history of the confirmed primary. Two primaries that acknowledge in
 * conflict break this as well: only one of them is the confirmed one.
 */
export function lost({ record, members, acknowledged }: State): string | undefined {
  const primary = members[record.primary];
  if (primary === undefined || primary.lost) return undefined;
  const missing = acknowledged & ~commitsIn(primary.postgres.wal);
  if (missing === 0) return undefined;
  return `${lettersOf(missing)} was acknowledged, and the confirmed primary ${nameOf(record.primary)} does not have it`;
}

function wronglyEntitled({ record, members, acknowledged }: State): string | undefined {
  for (const [id, member] of members.entries()) {
    if (member.lost || !has(record.entitled, id)) continue;
    const missing = acknowledged & ~commitsIn(member.postgres.wal);
    if (missing === 0) continue;
    return `${lettersOf(missing)} was acknowledged, and ${nameOf(id)}, which is entitled, does not have it`;
  }
  return undefined;
}

/** The death of a primary takes nobody's entitlement away: its standby is to be the next primary. */
function needlesslyWithdrawn({ record, members }: State): string | undefined {
  for (const [id, { postgres }] of members.entries()) {
    const withdrawn = postgres.bereft & ~record.entitled;
    if (record.primary !== id || withdrawn === 0) continue;
    return `${nameOf(id)} died while ${namesText(withdrawn)} streamed from it and was entitled, and now is not`;
  }
  return undefined;
}

/** Recovery is owed as long as an entitled member has not been lost for good. */
export function owesRecovery({ record, members }: State): boolean {
  return members.some(({ lost: gone }, id) => !gone && has(record.entitled, id));
}

/** The confirmed primary runs, and would acknowledge a commit without waiting for anybody who is not there. */
export function acknowledges(rules: Rules, state: State): boolean {
  const { primary, timeline } = state.record;
  const { postgres } = memberOf(state, primary);
  if (postgres.run !== 'primary' || timelineOf(postgres.wal) !== timeline) return false;
  if (!postgres.waits) return true;
  const senders = postgres.senders.map((sender, standby) =>
    memberOf(state, standby).postgres.upstream === primary ? sender : undefined,
  );
  return releasedUpTo(rules, walsendersOf({ ...postgres, senders, ghosts: [] })) !== none;
}
