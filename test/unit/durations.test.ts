import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatDuration, parseDuration } from '../../src/runtime/durations.js';

describe("durations in Go's notation", () => {
  for (const [text, ms] of [
    ['0', 0],
    ['+0', 0],
    ['0s', 0],
    ['5s', 5_000],
    ['+5s', 5_000],
    ['1m0s', 60_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['5.s', 5_000],
    ['1h2m3.5s', 3_723_500],
    ['100us', 0.1],
    ['100µs', 0.1],
    ['100μs', 0.1],
    ['1ns', 0.000001],
    ['0.1s0.2s', 300],
    ['25h', 90_000_000],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text), ms));
  }

  for (const text of [
    '',
    '5',
    '-5s',
    '+',
    '5 s',
    ' 5s',
    '5s ',
    '5S',
    's',
    '.s',
    '1d',
    '5s3',
    '1e3s',
    '0x5s',
    '5s\n',
    '१s',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseDuration(text), undefined));
  }

  it('refuses what is no number any more', () => {
    assert.equal(parseDuration(`${'9'.repeat(400)}s`), undefined);
  });

  for (const [ms, text] of [
    [0, '0s'],
    [25_000, '25s'],
    [60_000, '1m0s'],
    [3_600_000, '1h0m0s'],
    [3_723_500, '1h2m3.5s'],
    [500, '500ms'],
    [0.25, '250µs'],
    [0.0001, '100ns'],
    [59_999.9999999, '1m0s'],
    [999.9999999, '1s'],
    [0.1 + 0.2, '300µs'],
    [-1_500, '-1.5s'],
  ] as const) {
    it(`writes ${ms} ms as ${text}`, () => assert.equal(formatDuration(ms), text));
  }

  it('reads what it wrote', () => {
    for (const ms of [1, 1.5, 999, 1_000, 61_001, 86_399_999, 0.123456, 0.000001]) {
      assert.equal(parseDuration(formatDuration(ms)), ms);
    }
  });
});
