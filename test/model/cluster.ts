import { agentSteps } from './agent.js';
import { environmentSteps } from './environment.js';
import type { Liveness, Model } from './explorer.js';
import { canonicalKey } from './symmetry.js';
import { managerSteps } from './manager.js';
import { postgresSteps } from './postgres.js';
import { acknowledges, owesRecovery } from './properties.js';
import { simplified } from './simplify.js';
import type { Member, Names, State } from './state.js';
import { barrier, bit, idle, nobody, ready } from './state.js';
import type { ModelStep, World } from './world.js';

/** The protocol among all of its actors. */
export function clusterModel(world: World, initial: readonly State[]): Model<State> {
  return { initial, steps: (state) => clusterSteps(world, state), key: canonicalKey };
}

function clusterSteps(world: World, state: State): readonly ModelStep[] {
  const steps: ModelStep[] = [];
  const add = ({ what, next, benign }: ModelStep) =>
    steps.push({ what, next: simplified(world, next), benign });
  for (const id of state.members.keys()) {
    postgresSteps(world, state, id).forEach(add);
    managerSteps(world, state, id).forEach(add);
    agentSteps(world, state, id).forEach(add);
  }
  environmentSteps(world, state).forEach(add);
  return steps;
}

/** A recovery may use two timelines more than the exploration, which else would only end at its own bound. */
export function clusterLiveness(world: World): Liveness<State> {
  const timelines = world.bounds.timelines + 2;
  const wider: World = { ...world, bounds: { ...world.bounds, timelines } };
  return {
    owes: owesRecovery,
    goal: (state) => acknowledges(world.rules, state),
    recovery: (state) => clusterSteps(wider, state).filter(({ benign }) => benign),
  };
}

/** A is the primary; the members in `entitled` stream from it and are entitled, and the rest stream, too. */
export function running({ rules, bounds }: World, entitled: Names): State {
  const standbys = entitled & ~bit(0);
  const names = standbys === 0 && bounds.strict ? barrier : standbys;
  const all = Array.from({ length: bounds.members }, (_, id) => id);
  const calm = { manager: idle, frozen: undefined, agent: ready, lost: false };
  const none = all.map(() => undefined);
  const empty = { wal: '', waiting: 0, bereft: 0 };
  const primary: Member = {
    ...calm,
    manager: rules['5'] ? idle : { ...idle, session: true },
    postgres: {
      ghosts: none,
      ...{ ...empty, run: 'primary', names, waits: names !== 0, upstream: nobody },
      senders: all.map((id) => (id === 0 ? undefined : { names, flushed: 0 })),
    },
  };
  const standby: Member = {
    ...calm,
    postgres: {
      ghosts: none,
      ...{ ...empty, run: 'standby', names: rules['7'] ? barrier : 0, waits: false, upstream: 0 },
      senders: none,
    },
  };
  return {
    record: {
      primary: 0,
      timeline: 1,
      claimant: nobody,
      claimed: 0,
      entitled: entitled | bit(0),
      highest: 1,
    },
    late: [],
    members: all.map((id) => (id === 0 ? primary : standby)),
    issued: 0,
    acknowledged: 0,
  };
}
