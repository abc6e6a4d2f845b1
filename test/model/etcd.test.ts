import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arenas } from './arenas.js';
import { clusterModel, running } from './cluster.js';
import { sentInDoubt, written } from './etcd.js';
import { rulesWithout } from './rules.js';
import type { State } from './state.js';
import { idle, memberOf, withMember } from './state.js';

const world = { rules: rulesWithout(), bounds: arenas.pair.bounds };
const start = running(world, 0b11);
const alone = { ...start.record, entitled: 0b01 };

function lateWrites(state: State) {
  return clusterModel(world, [start])
    .steps(state)
    .filter(({ what }) => what.includes('late write'));
}

test('a write in doubt may be made later, also by nobody asking for it', () => {
  const [late, ...more] = lateWrites(sentInDoubt(start, alone));
  assert.equal(more.length, 0);
  assert.equal(late?.benign, false, 'nothing may count on it');
  assert.equal(late.next.record.entitled, 0b01);
});

test('another successful write makes it void: its revision never comes back', () => {
  assert.deepEqual(lateWrites(written(sentInDoubt(start, alone), start.record)), []);
});

test('the same write in doubt twice is one', () => {
  assert.equal(sentInDoubt(sentInDoubt(start, alone), alone).late.length, 1);
});

test('whoever has read the record before a write does not write over it', () => {
  const growing = { ...idle, stage: 'proven', fresh: true, session: true, wanted: 0b11 } as const;
  const before = withMember(start, 0, { manager: growing });
  const steps = (state: State) =>
    clusterModel(world, [start])
      .steps(state)
      .map(({ what }) => what);
  const entitles = (what: string) => what.startsWith('A: supervise: all of them');
  assert.ok(steps(before).some(entitles));
  const after = written(before, { ...start.record, highest: 2 });
  assert.equal(memberOf(after, 0).manager.fresh, false);
  assert.ok(!steps(after).some(entitles));
});
