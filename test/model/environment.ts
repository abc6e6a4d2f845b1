import { written } from './etcd.js';
import { goneDown } from './postgres.js';
import type { EntitlementRecord, MemberId, Names, State } from './state.js';
import {
  bit,
  has,
  idle,
  memberOf,
  nameOf,
  namesText,
  nobody,
  ready,
  withMember,
  withPostgres,
} from './state.js';
import type { ModelStep, World } from './world.js';
import { benign, chance } from './world.js';

/**
 * What breaks. A process that is frozen or cut off from etcd needs no step of its own: it is one that takes none
 * for as long as it pleases the explorer, and what it knows grows old meanwhile.
 */
export function environmentSteps(world: World, state: State): readonly ModelStep[] {
  return [
    ...state.late.map((record) =>
      chance(`etcd: the late write is made: ${recordText(record)}`, written(state, record)),
    ),
    ...state.members.flatMap((_, id) => memberFaults(world, state, id)),
  ];
}

function memberFaults({ bounds }: World, state: State, id: MemberId): readonly ModelStep[] {
  const { postgres, lost } = memberOf(state, id);
  const { faults } = bounds;
  const name = nameOf(id);
  const steps: ModelStep[] = [];
  if (faults.crash && postgres.run !== 'down') {
    steps.push(chance(`${name}: PostgreSQL dies, all of it`, goneDown(state, id)));
  }
  if (faults.orphans && postgres.run === 'primary') {
    const next = withPostgres(state, id, { run: 'orphaned', bereft: bereft(state, id) });
    steps.push(chance(`${name}: the postmaster is killed, a backend lives on`, next));
  }
  if (postgres.run === 'orphaned') steps.push(benign(`${name}: the last backend ends`, goneDown(state, id)));
  if (faults.cut && postgres.upstream !== nobody) {
    const next = withPostgres(state, id, { upstream: nobody });
    steps.push(chance(`${name}: its stream from ${nameOf(postgres.upstream)} breaks`, next));
  }
  const losses = state.members.filter((member) => member.lost).length;
  if (!lost && losses < faults.losses) {
    const dead = { lost: true, manager: idle, frozen: undefined, agent: ready };
    steps.push(chance(`${name}: is lost for good`, withMember(goneDown(state, id), id, dead)));
  }
  return steps;
}

/** The entitled standbys that stream, but for those that somebody is about to withdraw. */
function bereft(state: State, id: MemberId): Names {
  const { manager, frozen, agent } = memberOf(state, id);
  if (state.record.primary !== id || agent.stage !== 'ready') return 0;
  const plans = [manager, ...(frozen === undefined ? [] : [frozen])].filter(({ stage }) => stage !== 'idle');
  const kept = [...plans.map(({ wanted }) => wanted), ...state.late.map(({ entitled }) => entitled)];
  let names: Names = 0;
  state.members.forEach(({ postgres }, standby) => {
    const stays = has(state.record.entitled, standby) && kept.every((names) => has(names, standby));
    if (postgres.upstream === id && stays) names |= bit(standby);
  });
  return names;
}

export function recordText(record: EntitlementRecord): string {
  const { primary, timeline, claimant, claimed, entitled } = record;
  const claim = claimant === nobody ? '' : `, claimed by ${nameOf(claimant)} for timeline ${claimed}`;
  return `primary ${nameOf(primary)} on timeline ${timeline}, entitled ${namesText(entitled)}${claim}`;
}
