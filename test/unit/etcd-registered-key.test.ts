import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KeyValue } from '../../src/etcd/kv.js';
import { RegisteredKey } from '../../src/etcd/registered-key.js';

const kv = (modRevision: bigint): KeyValue => ({
  key: '/k',
  value: Buffer.from('x'),
  createRevision: 1n,
  modRevision,
  lease: 7n,
});

describe('a registered key', () => {
  it('is due at first, and after another state', () => {
    const key = new RegisteredKey();
    assert.equal(key.dueIn('a', 0), 0);
    key.wrote('a', 10n);
    assert.equal(key.dueIn('a', 0), undefined);
    assert.equal(key.dueIn('b', 0), 0);
  });

  it('is not due for what its watch tells late: our own write, or what was there before it', () => {
    const key = new RegisteredKey();
    key.see(kv(10n), 10n);
    key.wrote('a', 10n);
    assert.equal(key.dueIn('a', 0), undefined);
    key.wrote('b', 12n);
    key.see(kv(10n), 11n);
    assert.equal(key.dueIn('b', 0), undefined);
    key.see(undefined, 11n);
    assert.equal(key.dueIn('b', 0), undefined);
    key.see(kv(12n), 15n);
    assert.equal(key.dueIn('b', 0), undefined);
  });

  it('is due at once when it was deleted', () => {
    const key = new RegisteredKey();
    key.wrote('a', 10n);
    key.see(undefined, 11n);
    assert.ok(!key.isTaken);
    assert.equal(key.dueIn('a', 0), 0);
  });

  it('is due after a while, and a longer one each time, when somebody else writes it', () => {
    const key = new RegisteredKey();
    key.wrote('a', 10n);
    const waits = [1, 2, 3, 4, 5, 6].map((round) => {
      const now = round * 100_000;
      key.see(kv(BigInt(round * 20)), BigInt(round * 20));
      assert.ok(key.isTaken);
      const wait = key.dueIn('a', now);
      assert.equal(key.dueIn('a', now + 600), (wait ?? 0) - 600);
      assert.equal(key.dueIn('a', now + 60_000), 0);
      assert.equal(key.dueIn('b', now), 0, 'another state is written at once');
      key.wrote('a', BigInt(round * 20 + 1));
      return wait;
    });
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });
});
