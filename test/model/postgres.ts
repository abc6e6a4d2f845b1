import type { MemberId, Postgres, Sender, State } from './state.js';
import { memberOf, nameOf, namesText, nobody, withMember, withPostgres } from './state.js';
import type { Walsender } from './synchronous.js';
import { none, releasedUpTo } from './synchronous.js';
import { canStream, commitsIn, letterOf, lettersOf } from './wal.js';
import type { ModelStep, World } from './world.js';
import { benign, chance } from './world.js';

/** What PostgreSQL does by itself, and for clients. */
export function postgresSteps(world: World, state: State, id: MemberId): readonly ModelStep[] {
  const { postgres } = memberOf(state, id);
  switch (postgres.run) {
    case 'primary':
      return [
        ...commit(world, state, id),
        ...follow(state, id),
        ...release(world, state, id),
        ...state.members.flatMap((_, standby) => noticeLoss(state, id, standby)),
      ];
    case 'orphaned':
      return [...commit(world, state, id), ...release(world, state, id)];
    case 'standby':
      return postgres.upstream === nobody
        ? state.members.flatMap((_, primary) => connect(world, state, id, primary))
        : receive(state, id, postgres.upstream);
    case 'down':
    case 'stopping':
      return [];
  }
}

/** Clients write wherever a primary takes writes, wherever the cluster says they should go. */
function commit({ bounds }: World, state: State, id: MemberId): readonly ModelStep[] {
  if (state.issued >= bounds.commits) return [];
  const { wal, waits, waiting } = memberOf(state, id).postgres;
  const [letter, own] = [letterOf(state.issued), 1 << state.issued];
  const issued = { ...state, issued: state.issued + 1 };
  const next = withPostgres(issued, id, { wal: wal + letter, ...(waits ? { waiting: waiting | own } : {}) });
  return waits
    ? [chance(`${nameOf(id)}: a client commits ${letter}, which waits`, next)]
    : [
        chance(`${nameOf(id)}: a client commits ${letter}, and it is acknowledged without a wait`, {
          ...next,
          acknowledged: next.acknowledged | own,
        }),
      ];
}

/** The checkpointer and each walsender take a change of the settings in when they come to it. */
function follow(state: State, id: MemberId): readonly ModelStep[] {
  const { names, waits, waiting, senders } = memberOf(state, id).postgres;
  const steps: ModelStep[] = [];
  if (waits !== (names !== 0)) {
    const next = withPostgres(state, id, { waits: !waits, waiting: 0 });
    const woken = waiting === 0 ? '' : ` (${lettersOf(waiting)} acknowledged)`;
    const what = `${nameOf(id)}: backends see synchronous_standby_names = ${namesText(names)}${woken}`;
    steps.push(benign(what, { ...next, acknowledged: next.acknowledged | waiting }));
  }
  senders.forEach((sender, standby) => {
    if (sender === undefined || sender.names === names) return;
    const what = `${nameOf(id)}: the walsender to ${nameOf(standby)} sees ${namesText(names)}`;
    steps.push(benign(what, withSender(state, id, standby, { ...sender, names })));
  });
  return steps;
}

/** The walsenders end the waits of commits, each by its own copy of synchronous_standby_names. */
function release({ rules }: World, state: State, id: MemberId): readonly ModelStep[] {
  const { postgres } = memberOf(state, id);
  const { waiting } = postgres;
  if (waiting === 0) return [];
  const end = releasedUpTo(rules, walsendersOf(postgres));
  const done = end === none ? 0 : commitsIn(postgres.wal, end) & waiting;
  if (done === 0) return [];
  const next = withPostgres(state, id, { waiting: waiting & ~done });
  const what = `${nameOf(id)}: ${lettersOf(done)} acknowledged`;
  return [benign(what, { ...next, acknowledged: next.acknowledged | done })];
}

export function walsendersOf({ senders, ghosts }: Postgres): readonly Walsender[] {
  const walsenders: Walsender[] = [];
  const add = (sender: Sender | undefined, standby: MemberId) => {
    if (sender !== undefined) walsenders.push({ ...sender, standby });
  };
  senders.forEach(add);
  ghosts.forEach(add);
  return walsenders;
}

/** A walsender whose standby is gone lives until it notices that. */
function noticeLoss(state: State, id: MemberId, standby: MemberId): readonly ModelStep[] {
  const { senders, ghosts } = memberOf(state, id).postgres;
  if (ghosts[standby] !== undefined) {
    const what = `${nameOf(id)}: the first walsender to ${nameOf(standby)} ends`;
    return [benign(what, withPostgres(state, id, { ghosts: replaced(ghosts, standby, undefined) }))];
  }
  if (senders[standby] === undefined || memberOf(state, standby).postgres.upstream === id) return [];
  const what = `${nameOf(id)}: the walsender to ${nameOf(standby)}, which is gone, ends`;
  return [benign(what, withSender(state, id, standby, undefined))];
}

/** libpq tries all members and takes the first that takes writes, whoever that is. */
function connect({ rules }: World, state: State, id: MemberId, primary: MemberId): readonly ModelStep[] {
  const [own, its] = [memberOf(state, id).postgres, memberOf(state, primary).postgres];
  if (primary === id || its.run !== 'primary' || !canStream(own.wal, its.wal)) return [];
  const last = its.senders[id];
  // A slot is refused to a second walsender.
  if (last !== undefined && (rules['3-slots'] || its.ghosts[id] !== undefined)) return [];
  const connected = withPostgres(state, id, { upstream: primary });
  const withGhost = withPostgres(connected, primary, { ghosts: replaced(its.ghosts, id, last) });
  const sender = { names: its.names, flushed: own.wal.length };
  const again = last === undefined ? '' : ', while the walsender it had is still there';
  const what = `${nameOf(id)}: streams from ${nameOf(primary)}${again}`;
  return [benign(what, withSender(withGhost, primary, id, sender))];
}

function receive(state: State, id: MemberId, primary: MemberId): readonly ModelStep[] {
  const [own, its] = [memberOf(state, id).postgres, memberOf(state, primary).postgres];
  const record = its.wal.charAt(own.wal.length);
  const sender = its.senders[id];
  if (record === '' || sender === undefined) return [];
  const next = withPostgres(state, id, { wal: own.wal + record });
  const what = `${nameOf(id)}: has flushed '${record}' from ${nameOf(primary)}`;
  return [benign(what, withSender(next, primary, id, { ...sender, flushed: own.wal.length + 1 }))];
}

function withSender(state: State, id: MemberId, standby: MemberId, sender: Sender | undefined): State {
  const { senders } = memberOf(state, id).postgres;
  return withPostgres(state, id, { senders: replaced(senders, standby, sender) });
}

function replaced<T>(list: readonly T[], index: number, value: T): readonly T[] {
  return list[index] === value ? list : list.map((old, at) => (at === index ? value : old));
}

/** No process of PostgreSQL is left on this member; every session with it and every stream is gone. */
export function goneDown(state: State, id: MemberId): State {
  const { postgres, manager, frozen, agent } = memberOf(state, id);
  const nothing = postgres.senders.map(() => undefined);
  const none = { waits: false, waiting: 0, bereft: 0, upstream: nobody, senders: nothing, ghosts: nothing };
  const silent = withMember(state, id, {
    postgres: { ...postgres, ...none, run: 'down' },
    manager: manager.session ? { ...manager, session: false } : manager,
    frozen: frozen && { ...frozen, session: false },
    agent: agent.session ? { ...agent, session: false } : agent,
  });
  return withoutStreams(silent, id);
}

function withoutStreams(state: State, primary: MemberId): State {
  let next = state;
  state.members.forEach(({ postgres }, id) => {
    if (postgres.upstream === primary) next = withPostgres(next, id, { upstream: nobody });
  });
  return next;
}
