import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { monotonic } from '../../src/runtime/clock.js';
import { untilIdle } from '../../src/runtime/idle.js';

/** Work that leaves the loop no rest, a turn at a time. */
function work(turns: number, ms: number): { readonly left: () => number } {
  let left = turns;
  const turn = (): void => {
    for (const end = monotonic() + ms; monotonic() < end;);
    left -= 1;
    if (left > 0) setImmediate(turn);
  };
  setImmediate(turn);
  return { left: () => left };
}

describe('what waits for a process to be idle', () => {
  it('comes after the work that there is', async () => {
    const other = work(5, 20);
    await untilIdle(60_000);
    assert.equal(other.left(), 0);
  });

  it('comes in time when there is always work', async () => {
    const other = work(30, 20);
    await untilIdle(60);
    assert.ok(other.left() > 0, 'it waited for all of it');
  });
});
