import type { Agent, Manager, Member, Postgres, State } from './state.js';
import { barrier, idle, ready } from './state.js';
import type { World } from './world.js';

/**
 * The same state without the differences that make no difference: what a process remembers and will not use, and a
 * process whose only way on is to give up. Everything that can follow can still follow, from fewer states.
 */
export function simplified(world: World, state: State): State {
  let members: Member[] | undefined;
  for (const [id, member] of state.members.entries()) {
    const simple = simplifiedMember(world, state, id, member);
    if (simple === member) continue;
    members ??= state.members.slice();
    members[id] = simple;
  }
  return members === undefined ? state : { ...state, members };
}

function simplifiedMember(world: World, state: State, id: number, member: Member): Member {
  const manager = simplifiedManager(world, member.manager);
  const frozen = member.frozen && simplifiedManager(world, member.frozen);
  const agent = simplifiedAgent(world, state, id, member);
  const postgres = simplifiedPostgres(world, member);
  const same = manager === member.manager && frozen === member.frozen && agent === member.agent;
  if (same && postgres === member.postgres && frozen?.stage !== 'idle') return member;
  return { ...member, manager, frozen: frozen?.stage === 'idle' ? undefined : frozen, agent, postgres };
}

function simplifiedManager({ rules }: World, manager: Manager): Manager {
  const { stage, fresh, session, position } = manager;
  switch (stage) {
    case 'idle':
      // Only without rule 5 does a session that was opened before matter.
      return session && rules['5'] ? idle : manager;
    case 'closing':
    case 'altered':
    case 'proven': {
      const isRefused = !fresh && rules['1-before'];
      const cannotProve = stage !== 'proven' && !session && rules['2'];
      return isRefused || cannotProve ? { ...idle, session: session && !rules['5'] } : manager;
    }
    case 'recorded':
      if (!session && rules['2']) return idle;
      return fresh || position !== 0 ? { ...manager, fresh: false, position: 0 } : manager;
    case 'rollback':
    case 'unrecorded':
      return manager;
  }
}

function simplifiedAgent(
  { rules }: World,
  { record }: State,
  id: number,
  { agent, postgres }: Member,
): Agent {
  const isMine = record.primary === id && record.timeline === agent.timeline;
  switch (agent.stage) {
    case 'claimed':
      return postgres.run === 'standby' ? agent : ready;
    case 'promoted':
      return postgres.run === 'primary' || agent.fresh || isMine ? agent : ready;
    case 'confirmed':
      if (!agent.session && rules['2-agent']) return ready;
      return agent.fresh ? { ...agent, fresh: false } : agent;
    case 'ready':
    case 'withdrawn':
    case 'rewinding':
      return agent.fresh || agent.session ? { ...agent, fresh: false, session: false } : agent;
  }
}

/** start sets the barrier (rule 7), whatever was there before. */
function simplifiedPostgres({ rules }: World, { postgres, lost }: Member): Postgres {
  const isUp = postgres.run === 'standby' || postgres.run === 'primary';
  const names = isUp || !rules['7'] ? postgres.names : barrier;
  // Without rule 10 others still ask where the log of a member ended.
  const wal = lost && rules['10'] ? '' : postgres.wal;
  if (names === postgres.names && wal === postgres.wal) return postgres;
  return { ...postgres, names, wal };
}
