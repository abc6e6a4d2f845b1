import { recordKey } from './key.js';
import type { EntitlementRecord, Member, State } from './state.js';

/**
 * Why there is no revision in the model: what is compared is only whether the record was written since it was read.
 * So a reader has one bit, `fresh`, that every write of another takes away; and a write that is on its way
 * can succeed only until another one did, for revisions never come back.
 */

/** The record is written, by the process that `keep` gives its knowledge back to. Late writes are now void. */
export function written(state: State, record: EntitlementRecord): State {
  return { ...state, record, late: [], members: state.members.map(nobodyIsFresh) };
}

function nobodyIsFresh(member: Member): Member {
  const { manager, frozen, agent } = member;
  if (!manager.fresh && frozen?.fresh !== true && !agent.fresh) return member;
  return {
    ...member,
    manager: { ...manager, fresh: false },
    frozen: frozen && { ...frozen, fresh: false },
    agent: { ...agent, fresh: false },
  };
}

/** The write was sent, and no answer came: it was not made yet, and may be made later, or never. */
export function sentInDoubt(state: State, record: EntitlementRecord): State {
  const late = new Map([...state.late, record].map((each) => [recordKey(each), each]));
  return {
    ...state,
    late: [...late.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each),
  };
}
