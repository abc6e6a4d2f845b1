import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Arena } from '../faults/arena.js';
import { subset } from '../faults/cases.js';
import { runCase } from '../faults/run-case.js';

// Every victim with both signals, and every step, once; `npm run test:faults` runs all combinations.

describe('whatever dies in a switchover', () => {
  let arena: Arena | undefined;
  before(async () => {
    arena = await Arena.up('t-faults');
  });
  after(() => arena?.down());

  for (const one of subset) {
    it(one.name, async () => {
      // What a failed case left would be the next one's failure.
      arena ??= await Arena.up('t-faults');
      const { violations, evidence } = await runCase(arena, one);
      if (violations.length === 0) return;
      await arena.down();
      arena = undefined;
      assert.fail(`${violations.join('\n')}\n\n${evidence}`);
    });
  }
});
