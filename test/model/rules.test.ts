import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ArenaName } from './arenas.js';
import { arenas, runArena } from './arenas.js';
import type { Rule } from './rules.js';
import { rules } from './rules.js';
import { sizeOf, tell } from './story.js';

interface Absence {
  readonly arena: ArenaName;
  readonly leads: RegExp | 'stuck';
  /** A second rule that has to be missing, too: either of them would do. */
  readonly also?: Rule;
}

const entitledWithout = /acknowledged, and [A-D], which is entitled, does not have it/;
const lostByPrimary = /acknowledged, and the confirmed primary [A-D] does not have it/;
const withdrawn = /died while {.*} streamed from it and was entitled, and now is not/;

/** Where the absence of a rule shows, and what it leads to. */
const absences: Record<Rule, Absence> = {
  '1': { arena: 'pair', leads: entitledWithout },
  '1-before': { arena: 'pair', leads: entitledWithout },
  '2': { arena: 'pair', leads: entitledWithout },
  '2-agent': { arena: 'pair', leads: entitledWithout },
  '2-own': { arena: 'pair', leads: lostByPrimary },
  '3': { arena: 'pair', leads: entitledWithout },
  '3-count': { arena: 'swap', leads: entitledWithout, also: '3-slots' },
  '3-slots': { arena: 'two', leads: entitledWithout },
  '3-copies': { arena: 'quartet', leads: entitledWithout },
  '3-flush': { arena: 'pair', leads: entitledWithout },
  '4': { arena: 'pair', leads: entitledWithout },
  '4-always': { arena: 'pair', leads: entitledWithout },
  '5': { arena: 'pair', leads: withdrawn },
  '6': { arena: 'pair', leads: entitledWithout },
  '7': { arena: 'pair', leads: lostByPrimary },
  '8': { arena: 'pair', leads: lostByPrimary },
  '8-confirm': { arena: 'pair', leads: lostByPrimary },
  '9': { arena: 'numbers', leads: entitledWithout },
  '9-rewind': { arena: 'pair', leads: lostByPrimary },
  '9-step-down': { arena: 'pair', leads: lostByPrimary },
  '10': { arena: 'moves', leads: 'stuck' },
  '11': { arena: 'strict', leads: 'stuck' },
  '11-timeline': { arena: 'strict', leads: 'stuck' },
  '15': { arena: 'pair', leads: entitledWithout },
  '15-always': { arena: 'pair', leads: entitledWithout },
};

describe('each rule is needed: without it there is a course of events that must not be', () => {
  for (const [rule, { arena, leads, also }] of Object.entries(absences) as [Rule, Absence][]) {
    test(`${rule}: ${rules[rule]}`, () => {
      const without = also === undefined ? [rule] : [rule, also];
      const run = runArena(arenas[arena], without);
      console.log(
        [`without ${without.join(' and ')}: arena ${arena}, ${sizeOf(run)}`, ...tell(run)].join('\n'),
      );
      const { finding } = run.exploration;
      if (leads === 'stuck') {
        assert.equal(finding.kind, 'stuck');
        return;
      }
      assert.equal(finding.kind, 'broken');
      assert.match(finding.why, leads);
    });
  }
});
