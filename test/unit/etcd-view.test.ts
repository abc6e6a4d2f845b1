import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KeyValue } from '../../src/etcd/kv.js';
import { View } from '../../src/etcd/view.js';
import type { Change } from '../../src/etcd/watch-stream.js';

const kv = (key: string, modRevision: bigint): KeyValue => ({
  key,
  value: Buffer.from(`${key}@${modRevision}`),
  createRevision: 1n,
  modRevision,
  lease: 0n,
});
const put = (key: string, revision: bigint): Change => ({ kind: 'put', kv: kv(key, revision) });
const del = (key: string, modRevision: bigint): Change => ({ kind: 'delete', key, modRevision });
const known = (view: View): readonly string[] => view.keys.map(({ value }) => value.toString());

describe('the view of keys in etcd', () => {
  it('is new with the first reading, even an empty one', () => {
    assert.equal(new View().replace([], 7n), 'changed');
  });

  it('tells a reading that changes nothing from one that does', () => {
    const view = new View();
    view.replace([kv('a', 5n)], 7n);
    assert.equal(view.replace([kv('a', 5n)], 8n), 'same');
    assert.equal(view.replace([kv('a', 9n)], 9n), 'changed');
    assert.equal(view.replace([], 10n), 'changed');
    assert.deepEqual(known(view), []);
  });

  it('keeps what a watch told against a reading that is older', () => {
    const view = new View();
    view.replace([kv('a', 5n)], 7n);
    assert.ok(view.apply([put('a', 9n)]));
    assert.equal(view.replace([kv('a', 5n)], 8n), 'stale');
    assert.deepEqual(known(view), ['a@9']);
    assert.equal(view.replace([kv('a', 9n)], 9n), 'same');
  });

  it('drops changes that a reading had before them', () => {
    const view = new View();
    view.replace([kv('a', 9n)], 12n);
    assert.ok(!view.apply([put('a', 8n)]));
    assert.ok(!view.apply([del('a', 12n)]));
    assert.deepEqual(known(view), ['a@9']);
  });

  it('does not bring back a key whose deletion it knows', () => {
    const view = new View();
    view.replace([kv('a', 5n)], 7n);
    assert.ok(view.apply([del('a', 9n)]));
    assert.equal(view.replace([kv('a', 5n)], 8n), 'stale');
    assert.ok(!view.apply([put('a', 6n)]));
    assert.deepEqual(known(view), []);
    assert.ok(view.apply([put('a', 10n)]));
    assert.deepEqual(known(view), ['a@10']);
  });

  it('takes all changes of one transaction, which share a revision', () => {
    const view = new View();
    view.replace([kv('a', 5n)], 7n);
    assert.ok(view.apply([put('b', 8n), del('a', 8n), put('c', 8n)]));
    assert.deepEqual(known(view), ['b@8', 'c@8']);
    assert.equal(view.asOf, 8n);
  });
});
