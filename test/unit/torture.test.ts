import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../../playground/paths.js';
import { Course } from '../torture/course.js';
import { faultKinds, openers, type FaultKind } from '../torture/kinds.js';
import { conflicts, longestStall, lost } from '../torture/ledger.js';
import { edited } from '../torture/plants.js';
import { plants } from '../torture/plants/all.js';
import type { Acknowledged } from '../torture/records.js';

function storms(seed: number, count: number): ReturnType<Course['next']>[] {
  const course = new Course(seed);
  return Array.from({ length: count }, () => course.next());
}

function ack(id: number, timeline: number, server: string, sent: number, done = sent + 5): Acknowledged {
  return { kind: 'acknowledged', client: 0, id, sent, done, server, timeline };
}

test('a seed has one course', () => {
  assert.deepEqual(storms(7, 5), storms(7, 5));
  assert.notDeepEqual(storms(7, 5), storms(8, 5));
});

test('each kind comes at least once in six storms, most of them in three, and faults overlap', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const missingIn = (count: number): readonly FaultKind[] => {
      const faults = storms(seed, count).flatMap((storm) => storm.faults);
      const kinds = new Set(faults.map(({ kind }) => kind));
      return faultKinds.filter((kind) => !kinds.has(kind));
    };
    assert.deepEqual(missingIn(6), [], `seed ${seed}`);
    // Of the openers one comes in each storm.
    assert.deepEqual(
      missingIn(3).filter((kind) => !openers.includes(kind)),
      [],
      `seed ${seed}`,
    );
    const overlaps = storms(seed, 3).some(({ faults }) =>
      faults.some(({ at, lasts }, index) => faults.slice(index + 1).some((later) => later.at < at + lasts)),
    );
    assert.equal(overlaps, true, `seed ${seed}`);
  }
});

test('an acknowledged row that is not there is lost', () => {
  const acks = [ack(1, 1, 'a', 0), ack(2, 1, 'a', 10)];
  assert.deepEqual(lost(acks, new Set([1, 2, 3])), []);
  assert.deepEqual(
    lost(acks, new Set([1])).map(({ id }) => id),
    [2],
  );
});

test('one primary after the other is no conflict, also when an answer is late', () => {
  assert.deepEqual(conflicts([ack(1, 1, 'a', 0), ack(2, 2, 'b', 100), ack(3, 3, 'a', 200)]), []);
  assert.deepEqual(conflicts([ack(1, 1, 'a', 0, 150), ack(2, 2, 'b', 100, 105)]), []);
});

test('two on one timeline are a conflict', () => {
  const found = conflicts([ack(1, 2, 'a', 0), ack(2, 2, 'b', 100)]);
  assert.match(found.join(), /a and b acknowledged on timeline 2/);
});

test('an older timeline that goes on is a conflict', () => {
  const found = conflicts([ack(1, 1, 'a', 0), ack(2, 2, 'b', 100), ack(3, 1, 'a', 300)]);
  assert.match(found.join(), /a on timeline 1 acknowledged what was sent 195 ms after b had/);
});

test('the longest stall is between any two acknowledgements', () => {
  assert.equal(longestStall([ack(1, 1, 'a', 0), ack(2, 1, 'a', 1_000), ack(3, 1, 'a', 100)]), 900);
});

test('a plant applies to exactly one passage', () => {
  const edit = { file: 'f', find: 'b', replace: '$&x' };
  assert.equal(edited('abc', edit), 'a$&xc');
  assert.throws(() => edited('ac', edit), /is not there/);
  assert.throws(() => edited('abcb', edit), /is there 2 times/);
});

for (const { name, edits } of plants) {
  test(`the plant ${name} fits to the code as it is`, () => {
    assert.doesNotThrow(() =>
      edits.reduce((texts, edit) => {
        const text = texts.get(edit.file) ?? readFileSync(join(repository, edit.file), 'utf8');
        return texts.set(edit.file, edited(text, edit));
      }, new Map<string, string>()),
    );
  });
}
