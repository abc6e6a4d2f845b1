import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canStream, commitsIn, lettersOf, rewound, timelineOf } from './wal.js';

test('a log knows its timeline and its commits', () => {
  assert.equal(timelineOf(''), 1);
  assert.equal(timelineOf('ab'), 1);
  assert.equal(timelineOf('ab2c4d'), 4);
  assert.equal(lettersOf(commitsIn('ab2c4d')), 'abcd');
  assert.equal(lettersOf(commitsIn('ab2c4d', 3)), 'ab');
});

test('a standby streams when its timeline did not end before its position', () => {
  assert.ok(canStream('', 'ab2c'));
  assert.ok(canStream('ab', 'ab2c'));
  assert.ok(canStream('ab2', 'ab2c'));
  assert.ok(!canStream('abx', 'ab2c'), 'it has more than the source had when it was promoted');
  assert.ok(!canStream('ab3', 'ab2c'), 'its timeline is none of the source');
  assert.ok(!canStream('ab2cd', 'ab2c'), 'it is ahead');
});

test('two histories with the same number are not told apart by streaming', () => {
  assert.ok(canStream('a2b', 'a2cd'));
});

test('pg_rewind takes the tail after the fork away', () => {
  assert.equal(rewound('abx', 'ab2c'), 'ab2c');
  assert.equal(rewound('ab3x', 'ab2c'), 'ab2c');
});

test('pg_rewind sees no need when the target only lacks something', () => {
  assert.equal(rewound('a', 'ab2c'), 'a');
  assert.equal(rewound('ab', 'ab2c'), 'ab');
});

test('pg_rewind is fooled by a number that was used twice', () => {
  assert.equal(rewound('a2b', 'a2c'), 'a2b');
});
