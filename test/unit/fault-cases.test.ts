import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { switchoverSteps } from '../../src/failover/switchover.js';
import { allCases, signals, stepNames, subset, victims } from '../faults/cases.js';
import { expectationOf, primaryAfter } from '../faults/expectations.js';

describe('the cases of what dies in a switchover', () => {
  it('knows every step of the product, in its order', () => {
    assert.deepEqual(
      switchoverSteps.map(({ name }) => name),
      stepNames,
    );
  });

  it('has every victim with both signals in every step, each once', () => {
    assert.equal(allCases.length, victims.length * signals.length * stepNames.length);
    assert.equal(new Set(allCases.map(({ name }) => name)).size, allCases.length);
  });

  it('expects a status of the documented ones in each', () => {
    for (const one of allCases) {
      const { statuses } = expectationOf(one);
      assert.ok(statuses.length > 0, one.name);
      for (const status of statuses) assert.ok([0, 3, 4, 5, 6, 'killed'].includes(status), one.name);
      assert.equal(
        statuses.includes('killed'),
        one.victim === 'command' && one.signal === 'SIGKILL',
        one.name,
      );
    }
  });

  it('runs a subset with every victim, both signals, and every step', () => {
    for (const victim of victims) {
      for (const signal of signals) {
        const found = subset.some((one) => one.victim === victim && one.signal === signal);
        assert.ok(found, `${victim} ${signal}`);
      }
    }
    for (const step of stepNames)
      assert.ok(
        subset.some((one) => one.step === step),
        step,
      );
  });

  it('knows where the primary is after a run that said so', () => {
    assert.equal(primaryAfter(0, 'pause'), 'target');
    assert.equal(primaryAfter(4, 'pause'), 'old');
    assert.equal(primaryAfter('killed', 'pause'), 'old');
    assert.equal(primaryAfter('killed', 'migrate'), 'target');
    assert.equal(primaryAfter(5, 'migrate'), 'either');
  });
});
