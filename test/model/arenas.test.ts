import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arenas, runArena } from './arenas.js';
import { sizeOf, tell } from './story.js';

describe('with every rule no acknowledged commit is lost, and nothing that could recover never does', () => {
  for (const [name, arena] of Object.entries(arenas)) {
    test(`${name}: ${arena.about}`, () => {
      const run = runArena(arena, []);
      console.log(`${name}: ${JSON.stringify(arena.bounds)}\n${name}: ${sizeOf(run)}`);
      assert.equal(run.exploration.finding.kind, 'nothing', tell(run).join('\n'));
    });
  }
});
