import { sentInDoubt, written } from './etcd.js';
import { goneDown } from './postgres.js';
import type { Agent, EntitlementRecord, MemberId, State } from './state.js';
import {
  barrier,
  bit,
  has,
  memberOf,
  nameOf,
  namesText,
  nobody,
  ready,
  withMember,
  withPostgres,
} from './state.js';
import { namesFor } from './supervise.js';
import { canStream, rewound, shutdownCheckpoint, timelineOf } from './wal.js';
import type { ModelStep, World } from './world.js';
import { benign, chance } from './world.js';

/** The resource agent: one call at a time on a member, and any of them may take for ever. */
export function agentSteps(world: World, state: State, id: MemberId): readonly ModelStep[] {
  const { agent, postgres } = memberOf(state, id);
  switch (agent.stage) {
    case 'ready':
      if (postgres.run === 'down') return [...start(world, state, id), ...withdraw(world, state, id)];
      if (postgres.run === 'standby') return [...claim(world, state, id), ...restartDiverged(state, id)];
      if (postgres.run === 'primary') return [...monitor(world, state, id), ...demote(world, state, id)];
      return postgres.run === 'stopping' ? stopped(state, id) : [];
    case 'claimed':
      return [...promote(state, id), ends(state, id)];
    case 'promoted':
      return [...confirm(world, state, id), ...liftEarly(world, state, id), ends(state, id)];
    case 'confirmed':
      return lift(world, state, id);
    case 'withdrawn':
      return [...touch(state, id), ends(state, id)];
    case 'rewinding':
      return [...copy(state, id), ends(state, id)];
  }
}

/** Always as a standby, and (rule 7) with the barrier in its own settings. */
function start({ rules }: World, state: State, id: MemberId): readonly ModelStep[] {
  if (memberOf(state, id).lost) return [];
  const next = withPostgres(state, id, { run: 'standby', ...(rules['7'] ? { names: barrier } : {}) });
  return [benign(`${nameOf(id)}: is started as a standby`, next)];
}

/** Rule 8: read, check, and claim with the next number. */
function claim(world: World, state: State, id: MemberId): readonly ModelStep[] {
  const { rules, bounds } = world;
  const { record } = state;
  const { postgres } = memberOf(state, id);
  const timeline = (rules['9'] ? record.highest : timelineOf(postgres.wal)) + 1;
  if (timeline > bounds.timelines) return [];
  if (rules['8'] ? !has(record.entitled, id) : !isAhead(state, id)) return [];
  if (!rules['10'] && lacksShutdownCheckpoint(state, id)) return [];
  const running = memberOf(state, record.primary).postgres.run === 'primary' && record.primary !== id;
  if (running && !bounds.faults.unfenced) return [];
  const highest = Math.max(timeline, record.highest);
  const claimed = { ...record, claimant: id, claimed: timeline, highest };
  const step = running ? chance : benign;
  const what = `${nameOf(id)}: the agent's promote claims timeline ${timeline}`;
  return compareAndSet(world, state, claimed, {
    step: (next) => step(what, withAgent(next, id, { stage: 'claimed', fresh: true, timeline })),
    doubt: (next) => chance(`${what}? No answer comes`, next),
  });
}

function compareAndSet(
  { bounds }: World,
  state: State,
  record: EntitlementRecord,
  outcome: { readonly step: (next: State) => ModelStep; readonly doubt: (next: State) => ModelStep },
): readonly ModelStep[] {
  const made = outcome.step(written(state, record));
  if (state.late.length >= bounds.faults.doubt) return [made];
  return [made, outcome.doubt(sentInDoubt(state, record))];
}

/** Without rule 8: the most advanced of the standbys that can be asked. */
function isAhead(state: State, id: MemberId): boolean {
  const own = memberOf(state, id).postgres.wal.length;
  return state.members.every(({ postgres }) => postgres.run !== 'standby' || postgres.wal.length <= own);
}

/** Without rule 10: after a clean demote the target waits until it has the old primary's last record. */
function lacksShutdownCheckpoint({ record, members }: State, id: MemberId): boolean {
  const old = members[record.primary]?.postgres.wal ?? '';
  const own = members[id]?.postgres.wal ?? '';
  return record.primary !== id && old.endsWith(shutdownCheckpoint) && own.length < old.length;
}

function promote(state: State, id: MemberId): readonly ModelStep[] {
  const { agent, postgres } = memberOf(state, id);
  if (postgres.run !== 'standby') return [];
  const next = withPostgres(state, id, {
    ...{ run: 'primary', upstream: nobody, waits: postgres.names !== 0 },
    wal: postgres.wal + String(agent.timeline),
  });
  const what = `${nameOf(id)}: PostgreSQL leaves recovery on timeline ${agent.timeline}`;
  return [benign(what, withAgent(next, id, { stage: 'promoted', session: true }))];
}

/** The second compare-and-set. In doubt it is made again; only what succeeded counts. */
function confirm(world: World, state: State, id: MemberId): readonly ModelStep[] {
  const { agent } = memberOf(state, id);
  const { record } = state;
  const isMine = record.primary === id && record.timeline === agent.timeline;
  if (!agent.fresh && !isMine) return [stepDown(world, state, id)];
  const entitled = isMine ? record.entitled : bit(id);
  const confirmed = {
    ...record,
    primary: id,
    timeline: agent.timeline,
    claimant: nobody,
    claimed: 0,
    entitled,
  };
  const what = `${nameOf(id)}: the agent confirms: primary ${nameOf(id)}, entitled ${namesText(entitled)}`;
  return compareAndSet(world, state, confirmed, {
    step: (next) => benign(what, withAgent(next, id, { stage: 'confirmed', fresh: true })),
    doubt: (next) => chance(`${what}? No answer comes`, next),
  });
}

function stepDown({ rules }: World, state: State, id: MemberId): ModelStep {
  const over = withAgent(state, id, ready);
  return rules['9-step-down']
    ? benign(`${nameOf(id)}: is not confirmed, the agent stops it`, goneDown(over, id))
    : benign(`${nameOf(id)}: is not confirmed, and goes on`, withPostgres(over, id, { names: 0 }));
}

function liftEarly({ rules }: World, state: State, id: MemberId): readonly ModelStep[] {
  const { run, names } = memberOf(state, id).postgres;
  if (rules['8-confirm'] || run !== 'primary' || names === 0) return [];
  const what = `${nameOf(id)}: the agent lifts the barrier before it has confirmed`;
  return [benign(what, withPostgres(state, id, { names: 0 }))];
}

function lift(world: World, state: State, id: MemberId): readonly ModelStep[] {
  const { agent, postgres } = memberOf(state, id);
  const over = withAgent(state, id, ready);
  const may = agent.session || (!world.rules['2-agent'] && postgres.run === 'primary');
  if (!may) return [benign(`${nameOf(id)}: the agent has lost its session, and leaves the barrier`, over)];
  const names = namesFor(world, id, bit(id));
  const what = `${nameOf(id)}: the agent sets synchronous_standby_names = ${namesText(names)}`;
  return [benign(what, withPostgres(over, id, { names }))];
}

function monitor({ rules }: World, state: State, id: MemberId): readonly ModelStep[] {
  const { primary, timeline } = state.record;
  const isOther = rules['11-timeline'] && timeline !== timelineOf(memberOf(state, id).postgres.wal);
  if (!rules['11'] || (primary === id && !isOther)) return [];
  const what = `${nameOf(id)}: monitor fails, as the record names ${nameOf(primary)} on timeline ${timeline}`;
  return [benign(what, goneDown(state, id))];
}

function demote({ bounds }: World, state: State, id: MemberId): readonly ModelStep[] {
  if (!bounds.faults.move) return [];
  const { wal } = memberOf(state, id).postgres;
  const next = withPostgres(state, id, {
    run: 'stopping',
    waits: false,
    waiting: 0,
    wal: wal + shutdownCheckpoint,
  });
  return [chance(`${nameOf(id)}: is demoted, and writes its shutdown checkpoint`, next)];
}

function stopped(state: State, id: MemberId): readonly ModelStep[] {
  return [benign(`${nameOf(id)}: is stopped`, goneDown(state, id))];
}

/** monitor: no wal receiver streams, and the primary's history says that it never will. */
function restartDiverged(state: State, id: MemberId): readonly ModelStep[] {
  const { postgres } = memberOf(state, id);
  if (postgres.upstream !== nobody || !hasDivergedFrom(state, id, state.record.primary)) return [];
  return [benign(`${nameOf(id)}: has diverged, and is stopped to be rewound`, goneDown(state, id))];
}

function hasDivergedFrom(state: State, id: MemberId, source: MemberId): boolean {
  const its = memberOf(state, source).postgres;
  if (source === id || its.run !== 'primary') return false;
  return !canStream(memberOf(state, id).postgres.wal, its.wal);
}

/** Rule 15: the record first, then the data; onto a confirmed primary only (rule 9). */
function withdraw(world: World, state: State, id: MemberId): readonly ModelStep[] {
  const { rules } = world;
  if (memberOf(state, id).lost) return [];
  return state.members.flatMap((_, source) => {
    const isSource = !rules['9-rewind'] || (source === state.record.primary && isConfirmed(state, source));
    if (!isSource || !hasDivergedFrom(state, id, source)) return [];
    const begun = { stage: 'withdrawn', source } as const;
    const what = `${nameOf(id)}: has diverged from ${nameOf(source)}`;
    const isNamed = has(state.record.entitled, id);
    if (!rules['15'] || (!rules['15-always'] && !isNamed)) {
      return [benign(`${what}, prepares to rewind`, withAgent(state, id, begun))];
    }
    const record = { ...state.record, entitled: state.record.entitled & ~bit(id) };
    return compareAndSet(world, state, record, {
      step: (next) => benign(`${what}, withdraws itself to rewind`, withAgent(next, id, begun)),
      doubt: (next) => chance(`${what}, withdraws itself? No answer comes`, next),
    });
  });
}

function isConfirmed({ record, members }: State, id: MemberId): boolean {
  return timelineOf(members[id]?.postgres.wal ?? '') === record.timeline;
}

/** pg_rewind looks at both, and begins to change files. Half of a rewind is worth nothing. */
function touch(state: State, id: MemberId): readonly ModelStep[] {
  const { agent, postgres } = memberOf(state, id);
  const source = memberOf(state, agent.source).postgres;
  if (source.run !== 'primary' || postgres.run !== 'down') return [];
  if (rewound(postgres.wal, source.wal) === postgres.wal) {
    return [benign(`${nameOf(id)}: pg_rewind says that no rewind is required`, withAgent(state, id, ready))];
  }
  const next = withPostgres(withAgent(state, id, { stage: 'rewinding' }), id, { wal: '' });
  return [benign(`${nameOf(id)}: pg_rewind begins to change files`, next)];
}

function copy(state: State, id: MemberId): readonly ModelStep[] {
  const { agent } = memberOf(state, id);
  const source = memberOf(state, agent.source).postgres;
  if (source.run !== 'primary') return [];
  const next = withPostgres(withAgent(state, id, ready), id, { wal: source.wal });
  return [benign(`${nameOf(id)}: pg_rewind is done`, next)];
}

function ends(state: State, id: MemberId): ModelStep {
  return benign(`${nameOf(id)}: the agent's call takes too long and is ended`, withAgent(state, id, ready));
}

function withAgent(state: State, id: MemberId, change: Partial<Agent>): State {
  return withMember(state, id, { agent: { ...memberOf(state, id).agent, ...change } });
}
