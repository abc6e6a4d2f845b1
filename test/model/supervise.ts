import { sentInDoubt, written } from './etcd.js';
import { walsendersOf } from './postgres.js';
import type { Walsender } from './synchronous.js';
import { count, none, releasedUpTo } from './synchronous.js';
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
  grow(wanted: Names): readonly ModelStep[] {
    const standbys = wanted & ~bit(this.id);
    if (count(standbys) > this.world.bounds.standbys) return [];
    // A walsender that still has a list of two counts any newcomer in the place of one that is missing.
    const closes = this.seesCopies() && !this.isClosed();
    const names = (closes ? this.member.postgres.names : standbys) | barrier;
    const stage = closes ? 'closing' : 'altered';
    const next = withPostgres(this.become(this.state, { stage, wanted }), this.id, { names });
    return [
      benign(this.says(`reads the record, sets synchronous_standby_names = ${namesText(names)}`), next),
    ];
  }

  close(): readonly ModelStep[] {
    if (!this.maySet() || !this.isClosed()) return [];
    const names = (this.manager.wanted & ~bit(this.id)) | barrier;
    const next = withPostgres(this.become(this.state, { stage: 'altered' }), this.id, { names });
    return [benign(this.says(`every walsender has the barrier: sets ${namesText(names)}`), next)];
  }

  /** A row was committed, and waits though every walsender has flushed it. */
  prove(): readonly ModelStep[] {
    const { postgres } = this.member;
    if (!this.maySet()) return [];
    const next = this.become(this.state, { stage: 'proven', position: postgres.wal.length });
    if (!this.world.rules['3']) return [benign(this.says(`takes the flush position without a proof`), next)];
    const waits = postgres.run === 'primary' && postgres.waits && this.allHaveFlushed();
    const still = this.seesCopies()
      ? this.isSettled()
      : releasedUpTo(this.world.rules, walsendersOf(postgres)) === none;
    return waits && still ? [benign(this.says('has the proof that commits wait for the barrier'), next)] : [];
  }

  /** Each walsender that there is has a standby that answers, and it has flushed the row. */
  private allHaveFlushed(): boolean {
    const { senders, ghosts, wal } = this.member.postgres;
    return (
      ghosts.every((ghost) => ghost === undefined) &&
      senders.every(
        (sender, standby) =>
          sender === undefined ||
          (memberOf(this.state, standby).postgres.upstream === this.id && sender.flushed === wal.length),
      )
    );
  }

  /**
   * No walsender releases anything: none has a list without the barrier that names it. That is what
   * pg_stat_replication.sync_priority says, each walsender's own, when the barrier moves all places in the list.
   */
  private isClosed(): boolean {
    return walsendersOf(this.member.postgres).every(
      ({ names, standby }) => !has(names, standby) || (names & barrier) !== 0,
    );
  }

  /** A list of one name cannot be mistaken. */
  private seesCopies(): boolean {
    return this.world.rules['3-copies'] && this.world.bounds.standbys > 1;
  }

  /** And none counts that is not wanted. */
  private isSettled(): boolean {
    const { wanted } = this.manager;
    const counts = ({ names, standby }: Walsender) => !has(wanted, standby) && has(names, standby);
    return this.isClosed() && !walsendersOf(this.member.postgres).some(counts);
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
    return [
      benign(this.says(`${why}: it sets synchronous_standby_names = ${namesText(names)} at once`), next),
    ];
  }

  record(wanted: Names, why: string): readonly ModelStep[] {
    const { rules, bounds } = this.world;
    const isRefused = !this.manager.fresh && rules['1-before'];
    if (isRefused) return [this.giveUp('is refused: the record was written since')];
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

  /** With rule 3-copies from one list to another over the barrier only. */
  follow(): readonly ModelStep[] {
    const { wanted } = this.manager;
    const names = namesFor(this.world, this.id, wanted) | barrier;
    if (!this.world.rules['3-copies'] || (names & ~barrier) === 0)
      return [this.setNames(wanted, 'has the record')];
    if (this.member.postgres.names !== names) {
      const what = this.says(`has the record: it sets synchronous_standby_names = ${namesText(names)}`);
      return [benign(what, withPostgres(this.state, this.id, { names }))];
    }
    return this.isSettled() ? [this.setNames(wanted, 'every walsender has the barrier')] : [];
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
