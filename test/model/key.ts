import type { Agent, EntitlementRecord, Manager, Member, Postgres, Sender, State } from './state.js';

const managerStages = { idle: 0, altered: 1, proven: 2, recorded: 3, rollback: 4, unrecorded: 5, closing: 6 };
const agentStages = { ready: 0, claimed: 1, promoted: 2, confirmed: 3, withdrawn: 4, rewinding: 5 };
const runs = { down: 0, standby: 1, primary: 2, stopping: 3, orphaned: 4 };

/** Two states have the same key only if they are the same in everything. Short, as millions are remembered. */
export function keyOf({ record, late, members, issued, acknowledged }: State): string {
  let key = recordKey(record) + String.fromCharCode((acknowledged << 4) | issued);
  for (const each of late) key += recordKey(each);
  for (const member of members) key += keyOfMember(member);
  return key;
}

export function recordKey(record: EntitlementRecord): string {
  const { primary, timeline, claimant, claimed, entitled, highest } = record;
  return String.fromCharCode(
    (primary << 12) | ((claimant + 1) << 8) | entitled,
    (timeline << 8) | (claimed << 4) | highest,
  );
}

function keyOfMember({ postgres, manager, frozen, agent, lost }: Member): string {
  const old = frozen === undefined ? '-' : managerKey(frozen);
  return `|${postgresKey(postgres, lost)}|${managerKey(manager)}${old}${agentKey(agent)}`;
}

function postgresKey(postgres: Postgres, lost: boolean): string {
  const { run, wal, names, waits, waiting, upstream, bereft } = postgres;
  let key = String.fromCharCode(
    (runs[run] << 8) | ((upstream + 1) << 4) | (bit(waits) << 1) | bit(lost),
    (names << 8) | (bereft << 4),
    waiting,
  );
  key += wal;
  for (const sender of postgres.senders) key += senderKey(sender);
  for (const ghost of postgres.ghosts) key += senderKey(ghost);
  return key;
}

function senderKey(sender: Sender | undefined): string {
  return sender === undefined ? '-' : String.fromCharCode(0x1000 | sender.flushed, sender.names);
}

function managerKey({ stage, fresh, session, wanted, position }: Manager): string {
  return String.fromCharCode(
    (managerStages[stage] << 12) | (bit(fresh) << 11) | (bit(session) << 10) | (wanted << 5) | position,
  );
}

function agentKey({ stage, fresh, session, timeline, source }: Agent): string {
  return String.fromCharCode(
    (agentStages[stage] << 12) | (bit(fresh) << 11) | (bit(session) << 10) | (timeline << 4) | (source + 1),
  );
}

function bit(flag: boolean): number {
  return flag ? 1 : 0;
}
