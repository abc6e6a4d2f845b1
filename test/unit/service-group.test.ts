import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { abortError } from '../../src/runtime/deadline.js';
import { runServices, type Service } from '../../src/runtime/service-group.js';

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Runs until it is stopped, then does what `atEnd` says. */
function untilStopped(name: string, atEnd: (signal: AbortSignal) => void | Promise<void>): Service {
  return {
    name,
    async run(signal) {
      await aborted(signal);
      await atEnd(signal);
    },
  };
}

describe('a group of services', () => {
  it('stops all when it is asked to, and that is no failure', async () => {
    const controller = new AbortController();
    const ended: string[] = [];
    const group = runServices(
      [untilStopped('a', () => void ended.push('a')), untilStopped('b', () => void ended.push('b'))],
      controller.signal,
    );
    controller.abort();
    assert.deepEqual(await group, []);
    assert.deepEqual(ended, ['a', 'b']);
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  });

  it('stops the others at the first failure, and waits for them', async () => {
    const error = new Error('broken');
    let cleanedUp = false;
    const failures = await runServices(
      [
        untilStopped('slow', async () => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          cleanedUp = true;
        }),
        { name: 'broken', run: () => Promise.reject(error) },
      ],
      new AbortController().signal,
    );
    assert.deepEqual(failures, [{ service: 'broken', error }]);
    assert.equal(cleanedUp, true);
  });

  it('holds a service that ends by itself for failed', async () => {
    const failures = await runServices(
      [{ name: 'early', run: () => Promise.resolve() }, untilStopped('b', () => undefined)],
      new AbortController().signal,
    );
    assert.equal(failures.length, 1);
    assert.match((failures[0]?.error as Error).message, /early ended without being asked to/);
  });

  it('tells an aborted call from a failure at the stop', async () => {
    const controller = new AbortController();
    const error = new PgcmError('unavailable', 'the lease was not revoked');
    const group = runServices(
      [
        untilStopped('interrupted', (signal) => {
          throw abortError(signal, 'waiting');
        }),
        untilStopped('failed', () => {
          throw error;
        }),
      ],
      controller.signal,
    );
    controller.abort();
    assert.deepEqual(await group, [{ service: 'failed', error }]);
  });

  it('gives the reason of the stop to its services', async () => {
    const controller = new AbortController();
    const reason = new PgcmError('aborted', 'interrupted by SIGTERM');
    let seen: unknown;
    const group = runServices(
      [untilStopped('a', (signal) => void (seen = signal.reason))],
      controller.signal,
    );
    controller.abort(reason);
    await group;
    assert.equal(seen, reason);
  });

  it('ends at once when the signal is aborted already', async () => {
    assert.deepEqual(await runServices([untilStopped('a', () => undefined)], AbortSignal.abort()), []);
  });
});
