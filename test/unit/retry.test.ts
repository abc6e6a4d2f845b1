import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { backoffDelay, retryForever } from '../../src/runtime/retry.js';

const backoff = { min: 1, max: 3 };

describe('retrying', () => {
  it('doubles the delay up to the longest one, however many attempts there were', () => {
    const delays = [0, 1, 2, 3, 4, 2_000].map((attempt) => backoffDelay(attempt, { min: 100, max: 1_000 }));
    assert.deepEqual(delays, [100, 200, 400, 800, 1_000, 1_000]);
    assert.equal(backoffDelay(0, { min: 5_000, max: 1_000 }), 1_000);
  });

  it('goes on until the work succeeds, telling of each failure', async () => {
    let calls = 0;
    const told: unknown[] = [];
    const work = (): Promise<string> => {
      calls += 1;
      return calls < 4 ? Promise.reject(new Error(`no ${calls}`)) : Promise.resolve('yes');
    };
    const result = await retryForever(work, backoff, new AbortController().signal, (error, delay, attempt) =>
      told.push([(error as Error).message, delay, attempt]),
    );
    assert.deepEqual(result, { value: 'yes' });
    assert.deepEqual(told, [
      ['no 1', 1, 0],
      ['no 2', 2, 1],
      ['no 3', 3, 2],
    ]);
  });

  it('ends when it is aborted between attempts', async () => {
    const controller = new AbortController();
    const result = await retryForever(
      () => Promise.reject(new Error('no')),
      { min: 60_000, max: 60_000 },
      controller.signal,
      () => controller.abort(),
    );
    assert.equal(result, undefined);
  });

  it('does not call it a failure when the work was aborted', async () => {
    const controller = new AbortController();
    let failures = 0;
    const result = await retryForever(
      () => {
        controller.abort();
        return Promise.reject(new Error('aborted'));
      },
      backoff,
      controller.signal,
      () => (failures += 1),
    );
    assert.equal(result, undefined);
    assert.equal(failures, 0);
  });

  it('does nothing for a signal that is aborted already', async () => {
    const work = (): Promise<never> => assert.fail('was called');
    assert.equal(await retryForever(work, backoff, AbortSignal.abort(), () => undefined), undefined);
  });
});
