import type { MemberId, Names, Postgres, Sender, State } from './state.js';
import { barrier, has, memberOf, nameOf, namesText, nobody, withMember, withPostgres } from './state.js';
import type { Commits } from './wal.js';
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
        ...release(state, id),
        ...state.members.flatMap((_, standby) => noticeLoss(state, id, standby)),
      ];
    case 'orphaned':
      return [...commit(world, state, id), ...release(state, id)];
    case 'standby':
      return postgres.upstream === nobody
        ? state.members.flatMap((_, primary) => connect(state, id, primary))
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
function release(state: State, id: MemberId): readonly ModelStep[] {
  const { waiting } = memberOf(state, id).postgres;
  if (waiting === 0) return [];
  const done = releasable(memberOf(state, id).postgres) & waiting;
  if (done === 0) return [];
  const next = withPostgres(state, id, { waiting: waiting & ~done });
  const what = `${nameOf(id)}: ${lettersOf(done)} acknowledged`;
  return [benign(what, { ...next, acknowledged: next.acknowledged | done })];
}

function releasable({ wal, senders }: Postgres): Commits {
  let commits: Commits = 0;
  senders.forEach((sender, standby) => {
    if (sender === undefined || !releases(sender.names, standby, senders)) return;
    let end = wal.length;
    senders.forEach((other, named) => {
      if (has(sender.names, named)) end = Math.min(end, other?.flushed ?? 0);
    });
    commits |= commitsIn(wal, end);
  });
  return commits;
}

/** With FIRST n over all names a walsender releases when it is one of them and all of them are there. */
export function releases(names: Names, standby: MemberId, senders: Postgres['senders']): boolean {
  if (!has(names, standby) || (names & barrier) !== 0) return false;
  return senders.every((sender, named) => sender !== undefined || !has(names, named));
}

/** A walsender whose standby is gone lives until it notices that. */
function noticeLoss(state: State, id: MemberId, standby: MemberId): readonly ModelStep[] {
  const { postgres } = memberOf(state, id);
  if (postgres.senders[standby] === undefined) return [];
  if (memberOf(state, standby).postgres.upstream === id) return [];
  const what = `${nameOf(id)}: the walsender to ${nameOf(standby)}, which is gone, ends`;
  return [benign(what, withSender(state, id, standby, undefined))];
}

/** libpq tries all members and takes the first that takes writes, whoever that is. */
function connect(state: State, id: MemberId, primary: MemberId): readonly ModelStep[] {
  const [own, its] = [memberOf(state, id).postgres, memberOf(state, primary).postgres];
  if (primary === id || its.run !== 'primary' || !canStream(own.wal, its.wal)) return [];
  const connected = withPostgres(state, id, { upstream: primary });
  const sender = { names: its.names, flushed: own.wal.length };
  return [
    benign(`${nameOf(id)}: streams from ${nameOf(primary)}`, withSender(connected, primary, id, sender)),
  ];
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
  const senders = memberOf(state, id).postgres.senders.slice();
  senders[standby] = sender;
  return withPostgres(state, id, { senders });
}

/** No process of PostgreSQL is left on this member; every session with it and every stream is gone. */
export function goneDown(state: State, id: MemberId): State {
  const { manager, frozen, agent } = memberOf(state, id);
  const down = withPostgres(state, id, {
    ...{ run: 'down', waits: false, waiting: 0, bereft: 0, upstream: nobody },
    senders: state.members.map(() => undefined),
  });
  const silent = withMember(down, id, {
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

