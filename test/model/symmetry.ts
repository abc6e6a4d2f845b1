import { keyOf, recordKey } from './key.js';
import type {
  EntitlementRecord,
  Manager,
  Member,
  MemberId,
  Names,
  Postgres,
  Sender,
  State,
} from './state.js';
import { barrier, bit, has, memberOf, nobody } from './state.js';

/**
 * Which member is called A makes no difference: no rule prefers one. So states that differ by names alone count as
 * one, and the members are put into an order by what they are. Members that this order does not tell apart keep
 * theirs: then one state is explored twice, which is only slower.
 */
export function canonicalKey(state: State): string {
  for (let id = 1; id < state.members.length; id++) {
    // Most states are in order already.
    if (compare(state, id - 1, id) > 0) return keyOf(renamed(state, sorted(state)));
  }
  return keyOf(state);
}

function sorted(state: State): readonly MemberId[] {
  return [...state.members.keys()].sort((a, b) => compare(state, a, b));
}

function compare(state: State, a: MemberId, b: MemberId): number {
  const byRank = rank(state, b) - rank(state, a);
  if (byRank !== 0) return byRank;
  const [one, other] = [memberOf(state, a).postgres.wal, memberOf(state, b).postgres.wal];
  return one === other ? 0 : one < other ? -1 : 1;
}

const runs = { primary: 4, orphaned: 3, stopping: 2, standby: 1, down: 0 };
const stages = { ready: 0, claimed: 1, promoted: 2, confirmed: 3, withdrawn: 4, rewinding: 5 };

/** By nothing that a change of names would change. */
function rank({ record, members }: State, id: MemberId): number {
  const member = members[id];
  if (member === undefined) return 0;
  const { postgres, agent, lost } = member;
  let sum = Number(record.primary === id);
  sum = sum * 2 + Number(has(record.entitled, id));
  sum = sum * 2 + Number(record.claimant === id);
  sum = sum * 2 + Number(lost);
  return (sum * 8 + runs[postgres.run]) * 8 + stages[agent.stage];
}

/** The same state, with the member `order[0]` called A, `order[1]` B, and so on. */
export function renamed(state: State, order: readonly MemberId[]): State {
  const id = (old: MemberId) => (old === nobody ? nobody : order.indexOf(old));
  const names = (old: Names) =>
    order.reduce((set, from, to) => (has(old, from) ? set | bit(to) : set), old & barrier);
  const record = (old: EntitlementRecord): EntitlementRecord => ({
    ...old,
    primary: id(old.primary),
    claimant: id(old.claimant),
    entitled: names(old.entitled),
  });
  const manager = (old: Manager): Manager => ({ ...old, wanted: names(old.wanted) });
  const sender = (old: Sender | undefined) => old && { ...old, names: names(old.names) };
  const postgres = (old: Postgres): Postgres => ({
    ...old,
    names: names(old.names),
    bereft: names(old.bereft),
    upstream: id(old.upstream),
    senders: order.map((from) => sender(old.senders[from])),
    ghosts: order.map((from) => sender(old.ghosts[from])),
  });
  const member = (old: Member): Member => ({
    ...old,
    postgres: postgres(old.postgres),
    manager: manager(old.manager),
    frozen: old.frozen && manager(old.frozen),
    agent: { ...old.agent, source: id(old.agent.source) },
  });
  return {
    ...state,
    record: record(state.record),
    late: state.late.map(record).sort((a, b) => (recordKey(a) < recordKey(b) ? -1 : 1)),
    members: order.map((from) => member(memberOf(state, from))),
  };
}
