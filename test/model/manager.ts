import { sentInDoubt, written } from './etcd.js';
import { releases } from './postgres.js';
import type { EntitlementRecord, Manager, Member, MemberId, Names, Postgres, State } from './state.js';
import {
  barrier,
  bit,
  has,
  idle,
  memberOf,
  nameOf,
  namesText,
  nobody,
  withMember,
  withPostgres,
} from './state.js';
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
  else steps.push(...goOn(new Actor(world, state, id, manager, 'manager')));
  if (frozen !== undefined) {
    steps.push(...goOn(new Actor(world, state, id, frozen, 'frozen')));
    steps.push(benign(`${nameOf(id)}: the frozen supervise is killed`, withMember(state, id, { frozen: undefined })));
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
  const actor = new Actor(world, locked(world, state, id), id, { ...idle, session: true, fresh: true }, 'manager');
  const there = entitled | bit(id);
  const seen = postgres.run === 'primary' ? postgres.senders : [];
  const steps: ModelStep[] = [];
  state.members.forEach((_, standby) => {
    if (standby === id) return;
    if (has(there, standby) && seen[standby] === undefined) {
      steps.push(...actor.shrink(there & ~bit(standby), `${nameOf(standby)} is gone`));
    }
    if (has(there, standby) || seen[standby] === undefined) return;
    steps.push(actor.grow(there | bit(standby)));
    state.members.forEach((_unused, gone) => {
      if (gone === id || !has(there, gone) || seen[gone] !== undefined) return;
      steps.push(actor.grow((there | bit(standby)) & ~bit(gone)));
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

export function namesFor({ bounds }: World, id: MemberId, entitled: Names): Names {
  const standbys = entitled & ~bit(id);
  return standbys === 0 && bounds.strict ? barrier : standbys;
}

function goOn(actor: Actor): readonly ModelStep[] {
  switch (actor.manager.stage) {
    case 'idle':
      return [];
    case 'altered':
      return [...actor.prove(), actor.giveUp('gives up to grow')];
    case 'proven':
      return [...actor.entitle(), actor.giveUp('gives up to grow')];
    case 'recorded':
      return actor.maySet()
        ? [actor.setNames(actor.manager.wanted, 'has the record')]
        : [actor.giveUp('has lost its session')];
    case 'unrecorded':
      return [...actor.record(actor.manager.wanted, 'writes what it did'), actor.giveUp('dies')];
    case 'rollback':
      return [actor.settleByReading()];
  }
}

/** One supervise of one member: the present one, or one that was frozen. */
class Actor {
  readonly world: World;
  readonly state: State;
  readonly id: MemberId;
  readonly manager: Manager;
  readonly slot: 'manager' | 'frozen';

  constructor(world: World, state: State, id: MemberId, manager: Manager, slot: 'manager' | 'frozen') {
    Object.assign(this, {});
    this.world = world;
    this.state = state;
    this.id = id;
    this.manager = manager;
    this.slot = slot;
  }

  /** Rule 3: the barrier is named beside all that shall be entitled. */
  grow(wanted: Names): ModelStep {
    const names = (wanted & ~bit(this.id)) | barrier;
    const next = withPostgres(this.become(this.state, { stage: 'altered', wanted }), this.id, { names });
    return benign(this.says(`reads the record, sets synchronous_standby_names = ${namesText(names)}`), next);
  }

  /** A row was committed, and waits though every walsender has flushed it. */
  prove(): readonly ModelStep[] {
    const { postgres } = this.member;
    if (!this.maySet()) return [];
    const next = this.become(this.state, { stage: 'proven', position: postgres.wal.length });
    if (!this.world.rules['3']) return [benign(this.says(`takes the flush position without a proof`), next)];
    const waits = postgres.run === 'primary' && postgres.waits;
    const all = postgres.senders.every((sender, standby) => sender === undefined || this.proves(standby));
    return waits && all ? [benign(this.says('has the proof that commits wait for the barrier'), next)] : [];
  }

  private proves(standby: MemberId): boolean {
    const { senders, wal } = this.member.postgres;
    const sender = senders[standby];
    const streams = memberOf(this.state, standby).postgres.upstream === this.id;
    if (sender === undefined || !streams || sender.flushed < wal.length) return false;
    return !releases(sender.names, standby, senders);
  }

  entitle(): readonly ModelStep[] {
    const { senders } = this.member.postgres;
    const { wanted, position } = this.manager;
    const least = this.world.rules['3-flush'] ? position : 0;
    const flushed = senders.every(
      (sender, standby) =>
        standby === this.id || !has(wanted, standby) || (sender !== undefined && sender.flushed >= least),
    );
    return flushed ? this.record(wanted, 'all of them have flushed the position') : [];
  }

  /** Rule 4: the record first. */
  shrink(wanted: Names, why: string): readonly ModelStep[] {
    if (this.world.rules['4']) return this.record(wanted, why);
    const names = namesFor(this.world, this.id, wanted);
    const next = withPostgres(this.become(this.state, { stage: 'unrecorded', wanted }), this.id, { names });
    return [benign(this.says(`${why}: it sets synchronous_standby_names = ${namesText(names)} at once`), next)];
  }

  record(wanted: Names, why: string): readonly ModelStep[] {
    const { rules, bounds } = this.world;
    if (!this.manager.fresh && rules['1-before']) return [this.giveUp('is refused: the record was written since')];
    const record = this.recordWith(wanted);
    const what = this.says(`${why}: record entitles ${namesText(wanted)}`);
    const stage = this.manager.stage === 'unrecorded' ? 'idle' : 'recorded';
    const steps = [benign(what, this.become(written(this.state, record), { stage, wanted, fresh: true }))];
    if (this.state.late.length < bounds.faults.doubt) {
      const doubt = this.become(sentInDoubt(this.state, record), { stage: rules['1'] ? 'idle' : 'rollback' });
      steps.push(chance(`${what}? No answer comes`, doubt));
    }
    return steps;
  }

  private recordWith(entitled: Names): EntitlementRecord {
    const timeline = timelineOf(this.member.postgres.wal);
    return { ...this.state.record, primary: this.id, timeline, claimant: nobody, claimed: 0, entitled };
  }

  setNames(wanted: Names, why: string): ModelStep {
    const names = namesFor(this.world, this.id, wanted);
    const next = withPostgres(this.become(this.state, { stage: 'idle' }), this.id, { names });
    return benign(this.says(`${why}: it sets synchronous_standby_names = ${namesText(names)}`), next);
  }

  /** Only without rule 1: the read shows that the write was not made, so what it began is taken back. */
  settleByReading(): ModelStep {
    return this.manager.fresh && this.maySet()
      ? this.setNames(this.state.record.entitled, 'reads that its write was not made')
      : this.giveUp('reads that the record was written');
  }

  giveUp(why: string): ModelStep {
    return benign(this.says(why), this.become(this.state, { stage: 'idle' }));
  }

  maySet(): boolean {
    return (this.manager.session || !this.world.rules['2']) && this.isUp();
  }

  private isUp(): boolean {
    const { run } = this.member.postgres;
    return run === 'primary' || run === 'orphaned' || run === 'standby';
  }

  private get member(): Member & { readonly postgres: Postgres } {
    return memberOf(this.state, this.id);
  }

  private become(state: State, change: Partial<Manager>): State {
    const manager = { ...this.manager, ...change };
    if (this.slot === 'frozen') {
      return withMember(state, this.id, { frozen: manager.stage === 'idle' ? undefined : manager });
    }
    const idling = { ...idle, session: manager.session };
    return withMember(state, this.id, { manager: manager.stage === 'idle' ? idling : manager });
  }

  private says(text: string): string {
    return `${nameOf(this.id)}: ${this.slot === 'frozen' ? 'the thawed supervise' : 'supervise'}: ${text}`;
  }
}
