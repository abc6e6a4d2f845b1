import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arenas } from './arenas.js';
import { clusterModel, running } from './cluster.js';
import { keyOf } from './key.js';
import { rulesWithout } from './rules.js';
import type { State } from './state.js';
import { renamed } from './symmetry.js';
import type { World } from './world.js';

const orders = [
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** Some states from all over a cluster of three: every so many steps another way is taken. */
function someStates(world: World, count: number): readonly State[] {
  const { steps } = clusterModel(world, []);
  const states: State[] = [];
  for (let walk = 1; states.length < count; walk++) {
    let state = running(world, 0b111);
    for (let length = 0; length < 30; length++) {
      const choices = steps(state);
      const chosen = choices[(walk * 7919 + length * walk * 31) % choices.length];
      if (chosen === undefined) break;
      state = chosen.next;
      states.push(state);
    }
  }
  return states;
}

test('no member is preferred: what can follow is the same whatever the members are called', () => {
  const { bounds } = arenas.trio;
  const faults = { ...bounds.faults, orphans: true, successor: true, move: true, losses: 1 };
  const world = { rules: rulesWithout(), bounds: { ...bounds, timelines: 4, commits: 3, faults } };
  const { steps } = clusterModel(world, []);
  for (const state of someStates(world, 1500)) {
    for (const order of orders) {
      const followed = steps(state).map(({ next }) => keyOf(renamed(next, order)));
      const following = steps(renamed(state, order)).map(({ next }) => keyOf(next));
      assert.deepEqual(following.sort(), followed.sort());
    }
  }
});
