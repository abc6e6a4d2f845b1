import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SwitchoverReport } from '../../src/domain/switchover.js';
import { contradictions } from '../faults/truth.js';

function report(status: number, failed: readonly string[] = []): SwitchoverReport {
  const steps = ['check', 'pause'].map((name) => ({
    name,
    ms: 1,
    error: failed.includes(name) ? 'why' : '',
  }));
  const rest = { host: 'h', pid: 1, startedAt: '', elapsed: 1, from: undefined, to: undefined, findings: [] };
  const told = { outcome: 'x', message: 'so it is', forced: false, pause: 0, longestWait: 0 };
  return { id: 'i', status, steps, ...told, ...rest };
}

describe('what a switchover says of itself', () => {
  it('fits when status, log and report are one', () => {
    assert.deepEqual(contradictions(0, 0, report(0), true), []);
    assert.deepEqual(contradictions(4, 4, report(4, ['pause']), true), []);
    assert.deepEqual(contradictions(3, 3, undefined, true), []);
    assert.deepEqual(contradictions('killed', undefined, undefined, true), []);
  });

  const wrong: readonly [string, ReturnType<typeof contradictions>, RegExp][] = [
    [
      'a log that says otherwise',
      contradictions(4, 0, report(4, ['pause']), true),
      /log's last word is status 0/,
    ],
    ['a report that says otherwise', contradictions(4, 4, report(0), true), /report says status 0/],
    ['no report', contradictions(4, 4, undefined, true), /left no report/],
    ['done, with a step that failed', contradictions(0, 0, report(0, ['check']), true), /check failed/],
    ['failed, and no step did', contradictions(6, 6, report(6), true), /no step of the report failed/],
    ['a killed run that reports', contradictions('killed', undefined, report(0), true), /in etcd/],
  ];
  for (const [what, found, expected] of wrong) {
    it(`does not fit: ${what}`, () => assert.match(found.join('; '), expected));
  }

  it('may leave no report where it cannot write one', () => {
    assert.deepEqual(contradictions(6, 6, undefined, false), []);
  });
});
