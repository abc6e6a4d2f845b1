import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rulesWithout } from './rules.js';
import { barrier } from './state.js';
import type { Walsender } from './synchronous.js';
import { none, releasedUpTo } from './synchronous.js';

const rules = rulesWithout();
const [b, c, d] = [1, 2, 3];
const [B, C, D] = [1 << b, 1 << c, 1 << d];

function walsender(standby: number, names: number, flushed: number): Walsender {
  return { standby, names, flushed };
}

test('commits are released up to what all who are named have flushed', () => {
  assert.equal(releasedUpTo(rules, [walsender(b, B | C, 5), walsender(c, B | C, 3)]), 3);
  assert.equal(releasedUpTo(rules, [walsender(b, B | C, 5)]), none);
  assert.equal(releasedUpTo(rules, [walsender(b, B, 5), walsender(c, B, 3)]), 5);
  assert.equal(releasedUpTo(rules, []), none);
});

test('who is not named ends no wait', () => {
  assert.equal(releasedUpTo(rules, [walsender(c, B, 9)]), none);
});

test('a standby that is there twice counts twice', () => {
  assert.equal(releasedUpTo(rules, [walsender(b, B | C, 4), walsender(b, B | C, 5)]), 4);
});

test('a walsender with an older list counts whoever has a place by its own list', () => {
  const older = walsender(b, B | C, 5);
  const newcomer = walsender(d, B | C | D | barrier, 4);
  assert.equal(releasedUpTo(rules, [older, newcomer]), 4);
  assert.equal(releasedUpTo(rules, [older, newcomer, walsender(c, B | C, 1)]), 1, 'C comes before D');
});

test('the barrier as a count holds; as a name it is one to be counted', () => {
  const twice = [walsender(b, B | barrier, 4), walsender(b, B | barrier, 5)];
  assert.equal(releasedUpTo(rules, twice), none);
  assert.equal(releasedUpTo(rulesWithout('3-count'), twice), 4);
  assert.equal(releasedUpTo(rulesWithout('3-count'), twice.slice(1)), none);
});
