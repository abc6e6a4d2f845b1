import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arenas } from './arenas.js';
import { clusterModel, running } from './cluster.js';
import { explore } from './explorer.js';
import { acknowledges } from './properties.js';
import { rulesWithout } from './rules.js';
import type { State } from './state.js';
import { has } from './state.js';
import { commitsIn } from './wal.js';

const world = { rules: rulesWithout(), bounds: arenas.pair.bounds };

/** What must be possible: a model in which nothing happens breaks no rule either. */
const milestones: Record<string, (state: State) => boolean> = {
  'a commit is acknowledged by the primary alone, once the record says so': ({ acknowledged, record }) =>
    acknowledged !== 0 && record.entitled === 0b01,
  'a commit is acknowledged by two': ({ acknowledged, members }) =>
    acknowledged !== 0 && members.every(({ postgres }) => commitsIn(postgres.wal) === acknowledged),
  'another member takes over with the commit': (state) =>
    state.record.primary === 1 && state.acknowledged !== 0 && acknowledges(world.rules, state),
  'the old primary is promoted again': ({ record, members }) =>
    record.primary === 0 && record.timeline === 2 && members[0]?.postgres.waits === false,
  'both are entitled again after a failover': (state) =>
    state.record.timeline === 2 && has(state.record.entitled, 0) && has(state.record.entitled, 1),
  'a commit that nobody was told of is rewound away, and its member entitled again': ({
    record,
    members,
    issued,
  }) => issued === 1 && record.entitled === 0b11 && members.every(({ postgres }) => postgres.wal === '2'),
  'two write at once, and only one of them is heard': ({ members, record }) =>
    members.every(({ postgres }) => postgres.run === 'primary') && record.primary === 1,
  'a thawed supervise can still write the record while its successor works': ({ members }) =>
    members[0]?.frozen?.stage === 'proven' && members[0].manager.stage === 'altered',
};

describe('the model is not empty', () => {
  const model = clusterModel(world, [running(world, 0b11)]);
  for (const [what, isReached] of Object.entries(milestones)) {
    test(what, () => {
      const broken = (state: State) => (isReached(state) ? what : undefined);
      const { finding } = explore(model, { broken }, { states: 100_000, depth: Infinity });
      assert.equal(finding.kind, 'broken');
    });
  }
});
