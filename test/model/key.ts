import { recordKey } from './etcd.js';
import type { Agent, Manager, Member, Postgres, Sender, State } from './state.js';

const managerStages = { idle: 'i', altered: 'a', proven: 'p', recorded: 'r', rollback: 'b', unrecorded: 'u' };
const agentStages = { ready: 'r', claimed: 'c', promoted: 'p', confirmed: 'o', withdrawn: 'w', rewinding: 'x' };
const runs = { down: 'd', standby: 's', primary: 'p', stopping: 't', orphaned: 'o' };

/** Two states have the same key only if they are the same in everything. */
export function keyOf(state: State): string {
  let key = `${recordKey(state.record)} ${state.issued} ${state.acknowledged}`;
  for (const record of state.late) key += ` ${recordKey(record)}`;
  for (const member of state.members) key += memberKey(member);
  return key;
}

function memberKey({ postgres, manager, frozen, agent, lost }: Member): string {
  const old = frozen === undefined ? '' : managerKey(frozen);
  return `|${lost ? 'L' : ''}${postgresKey(postgres)}|${managerKey(manager)}|${old}|${agentKey(agent)}`;
}

function postgresKey(postgres: Postgres): string {
  const { run, wal, names, waits, waiting, upstream, bereft } = postgres;
  let key = `${runs[run]}${wal},${names},${waits ? 'w' : ''}${waiting},${upstream},${bereft}`;
  for (const sender of postgres.senders) key += senderKey(sender);
  return key;
}

function senderKey(sender: Sender | undefined): string {
  return sender === undefined ? '-' : `;${sender.names}:${sender.flushed}`;
}

function managerKey({ stage, fresh, session, wanted, position }: Manager): string {
  if (stage === 'idle') return session ? 'is' : 'i';
  return `${managerStages[stage]}${fresh ? 'f' : ''}${session ? 's' : ''}${wanted},${position}`;
}

function agentKey({ stage, fresh, session, timeline, source }: Agent): string {
  if (stage === 'ready') return 'r';
  return `${agentStages[stage]}${fresh ? 'f' : ''}${session ? 's' : ''}${timeline},${source}`;
}
