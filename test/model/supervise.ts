import { sentInDoubt, written } from './etcd.js';
import { releases } from './postgres.js';
import type { EntitlementRecord, Manager, Member, MemberId, Names, State } from './state.js';
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

/** What synchronous_standby_names says when these are entitled. Alone, strict waits for somebody to come. */
export function namesFor({ bounds }: World, id: MemberId, entitled: Names): Names {
  const standbys = entitled & ~bit(id);
  return standbys === 0 && bounds.strict ? barrier : standbys;
}

/** One supervise of one member: the present one, or one that was frozen. */
export class Supervise {
  readonly world: World;
  readonly state: State;
  readonly id: MemberId;
  readonly manager: Manager;
  readonly slot: 'manager' | 'frozen';

  constructor(world: World, state: State, id: MemberId, manager: Manager, slot: 'manager' | 'frozen') {
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
    const { senders, wal, names } = this.member.postgres;
    const sender = senders[standby];
    const streams = memberOf(this.state, standby).postgres.upstream === this.id;
    if (sender === undefined || !streams || sender.flushed < wal.length) return false;
    if (this.world.rules['3-copies']) return sender.names === names;
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

  private get member(): Member {
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
