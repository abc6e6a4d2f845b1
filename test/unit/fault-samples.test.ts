import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { doublePrimaries, reignsOf, type Sample } from '../faults/samples.js';

/** A sample each 200 ms, answered 5 ms after it was asked. */
function samples(from: number, ...timelines: readonly (number | undefined)[]): readonly Sample[] {
  return timelines.map((timeline, index) => {
    const asked = from + index * 200;
    const base = { kind: 'sample', asked, answered: asked + 5 } as const;
    return timeline === undefined ? base : { ...base, timeline };
  });
}

describe('who was primary when', () => {
  it('joins samples of one timeline, and separates what lies around a gap', () => {
    assert.deepEqual(reignsOf('pg01', samples(0, 1, 1, undefined, 1, 3)), [
      { node: 'pg01', timeline: 1, from: 5, to: 205 - 5 },
      { node: 'pg01', timeline: 1, from: 605, to: 605 },
      { node: 'pg01', timeline: 3, from: 805, to: 805 },
    ]);
  });

  it('finds nothing in a move from one node to the other', () => {
    const seen = new Map([
      ['pg01', samples(0, 1, 1, undefined, undefined)],
      ['pg02', samples(3, undefined, undefined, undefined, 2)],
    ]);
    assert.deepEqual(doublePrimaries(seen), []);
  });

  it('finds two primaries at once', () => {
    const seen = new Map([
      ['pg01', samples(0, 1, 1, 1, undefined)],
      ['pg02', samples(3, undefined, 2, 2, 2)],
    ]);
    assert.deepEqual(doublePrimaries(seen), [
      'pg01 on timeline 1 and pg02 on timeline 2 were primary at once for 192 ms',
    ]);
  });

  it('finds a timeline that two nodes wrote, one after the other', () => {
    const seen = new Map([
      ['pg01', samples(0, 2, undefined, undefined)],
      ['pg02', samples(3, undefined, undefined, 2)],
    ]);
    assert.deepEqual(doublePrimaries(seen), [
      'pg01 on timeline 2 and pg02 on timeline 2 wrote the same timeline',
    ]);
  });
});
