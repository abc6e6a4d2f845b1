import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Arena } from './arenas.js';
import { arenas, runArena } from './arenas.js';
import { sizeOf, tell } from './story.js';

/** One test for each of these arenas, with every rule. It says how much it has seen. */
export function testArenas(chosen: (arena: Arena) => boolean): void {
  describe('with every rule no acknowledged commit is lost, and nothing that could recover never does', () => {
    const all: readonly [string, Arena][] = Object.entries(arenas);
    for (const [name, arena] of all.filter(([, each]) => chosen(each))) {
      test(`${name}: ${arena.about}`, () => {
        const run = runArena(arena, []);
        console.log(`${name}: ${JSON.stringify(arena.bounds)}\n${name}: ${sizeOf(run)}`);
        assert.equal(run.exploration.finding.kind, 'nothing', tell(run).join('\n'));
      });
    }
  });
}
