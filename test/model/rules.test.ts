import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ArenaName } from './arenas.js';
import { arenas, runArena } from './arenas.js';
import type { Rule } from './rules.js';
import { rules } from './rules.js';
import { sizeOf, tell } from './story.js';

const entitledWithout = /acknowledged, and [A-D], which is entitled, does not have it/;
const lostByPrimary = /acknowledged, and the confirmed primary [A-D] does not have it/;
const withdrawn = /died while {.*} streamed from it and was entitled, and now is not/;

/** Where the absence of a rule shows, and what then goes wrong. */
const absences: Record<Rule, readonly [ArenaName, RegExp | 'stuck']> = {
  '1': ['pair', entitledWithout],
  '1-before': ['pair', entitledWithout],
  '2': ['pair', entitledWithout],
  '2-agent': ['pair', entitledWithout],
  '2-own': ['pair', lostByPrimary],
  '3': ['pair', entitledWithout],
  '3-count': ['swap', entitledWithout],
  '3-slots': ['two', entitledWithout],
  '3-copies': ['quartet', entitledWithout],
  '3-flush': ['pair', entitledWithout],
  '4': ['pair', entitledWithout],
  '4-always': ['pair', entitledWithout],
  '5': ['pair', withdrawn],
  '6': ['pair', entitledWithout],
  '7': ['pair', lostByPrimary],
  '8': ['pair', lostByPrimary],
  '8-confirm': ['pair', lostByPrimary],
  '9': ['history', entitledWithout],
  '9-rewind': ['pair', lostByPrimary],
  '9-step-down': ['pair', lostByPrimary],
  '10': ['moves', 'stuck'],
  '11': ['strict', 'stuck'],
  '11-timeline': ['strict', 'stuck'],
  '15': ['pair', entitledWithout],
  '15-always': ['pair', entitledWithout],
};

describe('each rule is needed: without it there is a course of events that must not be', () => {
  for (const [rule, [arena, expected]] of Object.entries(absences) as [Rule, (typeof absences)[Rule]][]) {
    test(`${rule}: ${rules[rule]}`, () => {
      const run = runArena(arenas[arena], [rule]);
      console.log([`without ${rule}, arena ${arena}: ${sizeOf(run)}`, ...tell(run)].join('\n'));
      const { finding } = run.exploration;
      if (expected === 'stuck') return assert.equal(finding.kind, 'stuck');
      assert.equal(finding.kind, 'broken');
      assert.match(finding.why, expected);
    });
  }
});
