import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it, mock } from 'node:test';
import { hasCode, PgcmError } from '../../src/domain/errors.js';
import { abortError, runWithDeadline, sleep, withEither } from '../../src/runtime/deadline.js';

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
const live = (): AbortSignal => new AbortController().signal;

/** What `aborted` is for a signal that may have been aborted since it was last looked at. */
const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

describe('runWithDeadline', () => {
  it('gives the result, and leaves nothing on the signal', async () => {
    const signal = live();
    assert.equal(await runWithDeadline('x', 60_000, signal, () => Promise.resolve(5)), 5);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('gives the failure of the work as it is', async () => {
    const failure = new Error('broken');
    await assert.rejects(
      runWithDeadline('x', 60_000, live(), () => Promise.reject(failure)),
      failure,
    );
  });

  it('treats work that throws at once like work that rejects', async () => {
    const signal = live();
    const failure = new Error('broken');
    const work = (): Promise<void> => {
      throw failure;
    };
    await assert.rejects(runWithDeadline('x', 60_000, signal, work), failure);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('ends at the deadline although the work ignores its signal, and lets go of the outer one', async () => {
    const signal = live();
    let inner: AbortSignal | undefined;
    await assert.rejects(
      runWithDeadline('asking pg01', 5, signal, (given) => {
        inner = given;
        return never();
      }),
      (error) => hasCode(error, 'timed-out') && error.message === 'asking pg01: no answer within 5ms',
    );
    assert.equal(isAborted(inner), true);
    assert.ok(hasCode(inner?.reason, 'timed-out'));
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('ends with the outer signal, and says what was interrupted', async () => {
    const controller = new AbortController();
    const result = runWithDeadline('asking pg01', 60_000, controller.signal, () => never());
    controller.abort();
    await assert.rejects(
      result,
      (error) => hasCode(error, 'aborted') && error.message === 'asking pg01: interrupted',
    );
  });

  it('does not start work for a signal that is aborted already', async () => {
    const work = mock.fn(() => Promise.resolve());
    await assert.rejects(runWithDeadline('x', 5, AbortSignal.abort(), work), { code: 'aborted' });
    assert.equal(work.mock.callCount(), 0);
  });

  it('gives the reason of the signal when it is one of ours', () => {
    const reason = new PgcmError('lock-lost', 'the lock is gone');
    assert.equal(abortError(AbortSignal.abort(reason), 'x'), reason);
    assert.equal(abortError(AbortSignal.abort('other'), 'x').code, 'aborted');
  });

  it('waits when the deadline is longer than a timer can be set for', async () => {
    const answer = runWithDeadline('x', 2 ** 40, live(), async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return 'answer';
    });
    assert.equal(await answer, 'answer');
  });
});

describe('sleep', () => {
  it('says that its time is over', async () => {
    const signal = live();
    assert.equal(await sleep(1, signal), 'elapsed');
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('ends with the signal', async () => {
    const controller = new AbortController();
    const result = sleep(2 ** 40, controller.signal);
    controller.abort();
    assert.equal(await result, 'aborted');
    assert.equal(await sleep(60_000, controller.signal), 'aborted');
  });
});

describe('withEither', () => {
  it('gives the result, and leaves nothing on either signal', async () => {
    const [one, other] = [live(), live()];
    assert.equal(await withEither(one, other, () => Promise.resolve(5)), 5);
    await assert.rejects(withEither(one, other, () => Promise.reject(new Error('broken'))));
    for (const signal of [one, other]) assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  for (const which of [0, 1]) {
    it(`aborts the work with signal ${which}, for its reason, also when that was aborted before`, async () => {
      const reason = new PgcmError('aborted', 'enough');
      const sources = [new AbortController(), new AbortController()] as const;
      const reasonOf = withEither(sources[0].signal, sources[1].signal, async (on) => {
        sources[which as 0 | 1].abort(reason);
        await sleep(60_000, on);
        return on.reason as unknown;
      });
      assert.equal(await reasonOf, reason);
      const again = withEither(sources[0].signal, sources[1].signal, (on) => Promise.resolve(on.aborted));
      assert.equal(await again, true);
    });
  }
});
