import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { anyChanged, Latest } from '../../src/runtime/latest.js';

const live = (): AbortSignal => new AbortController().signal;

describe('Latest', () => {
  it('wakes every reader at a change, who find the newest value', async () => {
    const latest = new Latest(1);
    const readers = [latest.changed(undefined, live()), latest.changed(60_000, live())];
    latest.set(2);
    latest.set(3);
    assert.deepEqual(await Promise.all(readers), ['changed', 'changed']);
    assert.equal(latest.value, 3);
  });

  it('reports a change once', async () => {
    const latest = new Latest(1);
    latest.set(2);
    assert.equal(await latest.changed(1, live()), 'timed-out');
  });

  it('ends with the signal and leaves nothing on it', async () => {
    const latest = new Latest(1);
    const controller = new AbortController();
    const waiting = latest.changed(undefined, controller.signal);
    controller.abort();
    assert.equal(await waiting, 'aborted');
    assert.equal(await latest.changed(undefined, controller.signal), 'aborted');

    const signal = live();
    const changed = latest.changed(60_000, signal);
    latest.set(2);
    await changed;
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('lets a reader wait again from within its wake-up', async () => {
    const latest = new Latest(0);
    const seen: number[] = [];
    const reader = (async () => {
      while (seen.length < 3) {
        await latest.changed(undefined, live());
        seen.push(latest.value);
      }
    })();
    for (const value of [1, 2, 3]) {
      latest.set(value);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reader;
    assert.deepEqual(seen, [1, 2, 3]);
  });
});

describe('anyChanged', () => {
  it('wakes at the first change of any, and leaves nothing on the others and the signal', async () => {
    const [one, other] = [new Latest(1), new Latest('a')];
    const controller = new AbortController();
    const { signal } = controller;
    for (const set of [() => one.set(2), () => other.set('b')]) {
      const waiting = anyChanged([one, other], signal);
      set();
      assert.equal(await waiting, 'changed');
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    }
    const waiting = anyChanged([one, other], signal);
    controller.abort();
    assert.equal(await waiting, 'aborted');
    assert.equal(await anyChanged([one, other], signal), 'aborted');
  });
});
