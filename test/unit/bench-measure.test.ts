import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  histogram,
  longestGap,
  longestWait,
  lostAndDoubt,
  slowestRate,
  spread,
} from '../../bench/measure.js';
import type { Ack, Failure } from '../../bench/records.js';
import { summarise, type RunFigures } from '../../bench/figures.js';

function ack(done: number, { id = 1, client = 0, sent = done - 1 } = {}): Ack {
  return { kind: 'ack', client, id, sent, done };
}

function failure(id?: number): Failure {
  const which = id === undefined ? {} : { id };
  return { kind: 'failure', client: 0, during: 'statement', ...which, sent: 0, done: 1, message: 'no' };
}

test('the stall is the longest gap between acknowledgements of all clients together', () => {
  const window = { from: 0, to: 100 };
  const one = [10, 20, 60, 90].map((at) => ack(at, { client: 0 }));
  const other = [40, 95].map((at) => ack(at, { client: 1 }));
  assert.deepEqual(longestGap(one, window), { from: 20, to: 60 });
  assert.deepEqual(longestGap([...one, ...other], window), { from: 60, to: 90 });
});

test('a load that never comes back is a stall until the end, one that begins late a stall from the start', () => {
  assert.deepEqual(longestGap([ack(10), ack(20)], { from: 0, to: 500 }), { from: 20, to: 500 });
  assert.deepEqual(longestGap([ack(450)], { from: 0, to: 500 }), { from: 0, to: 450 });
  assert.deepEqual(longestGap([], { from: 0, to: 500 }), { from: 0, to: 500 });
});

test('acknowledgements after the end do not shorten the last gap', () => {
  assert.deepEqual(longestGap([ack(10), ack(900)], { from: 0, to: 500 }), { from: 10, to: 500 });
});

test('the longest wait is of acknowledged statements', () => {
  assert.equal(longestWait([ack(10, { sent: 4 }), ack(90, { sent: 20 }), ack(91, { sent: 90 })]), 70);
  assert.equal(longestWait([]), 0);
});

test('the slowest client counts, also one that did nothing', () => {
  const acks = [0, 100, 200, 300].map((at) => ack(at)).concat([ack(50, { client: 1 })]);
  assert.equal(slowestRate(acks, [0, 1], { from: 0, to: 400 }), 2.5);
  assert.equal(slowestRate(acks, [0, 1, 2], { from: 0, to: 400 }), 0);
});

test('lost is acknowledged and not there; doubt is failed and there', () => {
  const acks = [ack(1, { id: 1 }), ack(2, { id: 2 })];
  const failures = [failure(3), failure(4), failure()];
  assert.deepEqual(lostAndDoubt(acks, failures, new Set([1, 3])), { lost: [2], doubt: [3] });
  assert.deepEqual(lostAndDoubt(acks, failures, new Set()), { lost: [1, 2], doubt: [] });
});

test('the spread of an odd and of an even number of values', () => {
  assert.deepEqual(spread([30, 10, 20.4]), { min: 10, median: 20, max: 30 });
  assert.deepEqual(spread([40, 10, 20, 30]), { min: 10, median: 25, max: 40 });
  assert.throws(() => spread([]), /at least one/);
});

test('the histogram leaves out what is outside of its window', () => {
  assert.deepEqual(histogram([-1, 0, 99, 100, 250, 300], { from: 0, to: 300 }, 100), [2, 1, 1]);
});

test('overhead is stall minus manager run by run, not of the medians; counts are sums', () => {
  const run = (stall: number, manager: number): RunFigures => ({
    stall,
    manager,
    overhead: stall - manager,
    maxWait: stall,
    errors: 1,
    lost: 0,
    doubt: 2,
    rate: 50,
  });
  const report = summarise([run(1_000, 900), run(2_000, Number.NaN), run(2_000, 1_000), run(3_000, 2_950)]);
  assert.deepEqual(report.overhead_ms, { min: 50, median: 100, max: 1_000 });
  assert.deepEqual(report.stall_ms, { min: 1_000, median: 2_000, max: 3_000 });
  assert.equal(report.manager_unknown, 1, 'the others are told all the same');
  assert.equal(report.errors, 4);
  assert.equal(report.doubt, 8);
  assert.deepEqual(Object.keys(report), [
    'runs',
    'stall_ms',
    'max_wait_ms',
    'manager_ms',
    'overhead_ms',
    'manager_unknown',
    'errors',
    'lost',
    'doubt',
  ]);
});
