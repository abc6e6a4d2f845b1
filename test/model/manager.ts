import type { Manager, MemberId, State } from './state.js';
import { barrier, bit, has, idle, memberOf, nameOf, namesText, withMember, withPostgres } from './state.js';
import { Supervise, namesFor } from './supervise.js';
import { timelineOf } from './wal.js';
import type { ModelStep, World } from './world.js';
import { benign, chance } from './world.js';

/**
 * The replication manager of supervise. To look, to read the record and to write it over what was read is one
 * step here wherever nothing was changed in between: a write over an older record is refused and changes nothing.
 */
export function managerSteps(world: World, state: State, id: MemberId): readonly ModelStep[] {
  const { manager, frozen, postgres } = memberOf(state, id);
  const steps: ModelStep[] = [];
  if (manager.stage === 'idle') steps.push(...plans(world, state, id));
  else steps.push(...goOn(new Supervise(world, state, id, manager, 'manager')));
  if (frozen !== undefined) {
    steps.push(...goOn(new Supervise(world, state, id, frozen, 'frozen')));
    steps.push(
      benign(`${nameOf(id)}: the frozen supervise is killed`, withMember(state, id, { frozen: undefined })),
    );
  } else if (world.bounds.faults.successor && manager.stage !== 'idle') {
    const next = withMember(state, id, { frozen: manager, manager: idle });
    steps.push(chance(`${nameOf(id)}: supervise freezes (${manager.stage}), another is started`, next));
  }
  if (!world.rules['6'] && postgres.run === 'primary' && postgres.names !== 0) {
    if (postgres.senders.every((sender) => sender === undefined)) {
      const what = `${nameOf(id)}: no standby and no etcd: supervise sets synchronous_standby_names = {}`;
      steps.push(benign(what, withPostgres(state, id, { names: 0 })));
    }
  }
  return steps;
}

/** An idle manager looks at PostgreSQL, takes the lock, reads the record and sees what there is to do. */
function plans(world: World, state: State, id: MemberId): readonly ModelStep[] {
  const { rules } = world;
  const { postgres, manager } = memberOf(state, id);
  const { primary, timeline, entitled } = state.record;
  const looks = postgres.run === 'primary' || (!rules['5'] && postgres.run === 'orphaned' && manager.session);
  const own = primary === id && timeline === timelineOf(postgres.wal);
  if (!looks || (rules['2-own'] && !own)) return [];
  const actor = new Supervise(
    world,
    locked(world, state, id),
    id,
    { ...idle, session: true, fresh: true },
    'manager',
  );
  const there = entitled | bit(id);
  const seen = postgres.run === 'primary' ? postgres.senders : [];
  const steps: ModelStep[] = [];
  state.members.forEach((_, standby) => {
    if (standby === id) return;
    if (has(there, standby) && seen[standby] === undefined) {
      steps.push(...actor.shrink(there & ~bit(standby), `${nameOf(standby)} is gone`));
    }
    if (has(there, standby) || seen[standby] === undefined) return;
    steps.push(...actor.grow(there | bit(standby)));
    state.members.forEach((_unused, gone) => {
      if (gone === id || !has(there, gone) || seen[gone] !== undefined) return;
      steps.push(...actor.grow((there | bit(standby)) & ~bit(gone)));
    });
  });
  if (postgres.names !== namesFor(world, id, there)) {
    const never = postgres.names & ~there & ~barrier;
    steps.push(
      ...(!rules['4-always'] && never !== 0
        ? [actor.setNames(there, `takes ${namesText(never)} back, which the record never had`)]
        : actor.shrink(there, 'the settings differ from the record')),
    );
  }
  return steps;
}

/** The successor ends whatever session had the lock. Without rule 2 there is no lock. */
function locked({ rules }: World, state: State, id: MemberId): State {
  if (!rules['2']) return state;
  const { frozen, agent } = memberOf(state, id);
  return withMember(state, id, {
    frozen: frozen && useful({ ...frozen, session: false }),
    agent: { ...agent, session: false },
  });
}

/** A frozen manager without a session can still write the record, but set nothing. */
function useful(manager: Manager): Manager | undefined {
  return manager.stage === 'proven' ? manager : undefined;
}

function goOn(actor: Supervise): readonly ModelStep[] {
  switch (actor.manager.stage) {
    case 'idle':
      return [];
    case 'closing':
      return [...actor.close(), actor.giveUp('gives up to grow')];
    case 'altered':
      return [...actor.prove(), actor.giveUp('gives up to grow')];
    case 'proven':
      return [...actor.entitle(), actor.giveUp('gives up to grow')];
    case 'recorded':
      return actor.maySet()
        ? [...actor.follow(), actor.giveUp('gives up to set the names')]
        : [actor.giveUp('has lost its session')];
    case 'unrecorded':
      return [...actor.record(actor.manager.wanted, 'writes what it did'), actor.giveUp('dies')];
    case 'rollback':
      return [actor.settleByReading()];
  }
}
