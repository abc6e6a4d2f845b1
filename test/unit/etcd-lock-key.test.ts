import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KeyValue } from '../../src/etcd/kv.js';
import { describeOwner, lockKey, ownerOf } from '../../src/etcd/lock-key.js';
import { parseHolder } from '../../src/records/lock-holder.js';

const kv = (key: string, createRevision: bigint, value = ''): KeyValue => ({
  key,
  value: Buffer.from(value),
  createRevision,
  modRevision: createRevision,
  lease: 0x694d8d3a5f2c1a07n,
});

describe("the keys of etcd's mutex recipe", () => {
  it('end in the lease in lower-case hexadecimal without leading zeros', () => {
    assert.equal(lockKey('/master', 0x694d8d3a5f2c1a07n), '/master/694d8d3a5f2c1a07');
    assert.equal(lockKey('/master', 0xabcn), '/master/abc');
  });

  it('give the lock to the oldest, whatever its name', () => {
    assert.equal(ownerOf([kv('/master/a', 9n), kv('/master/f', 7n), kv('/master/0', 8n)])?.key, '/master/f');
    assert.equal(ownerOf([]), undefined);
  });

  it('name a holder that left its name, and what is known of one that did not', () => {
    const holder = { id: 'S1', host: 'pg01', pid: 42, since: '2025-01-01T00:00:00Z' };
    assert.equal(
      describeOwner(kv('/master/a', 9n, JSON.stringify(holder))),
      'switchover "S1" on host "pg01", pid 42, since "2025-01-01T00:00:00Z" ' +
        '(key "/master/a", since revision 9, lease 694d8d3a5f2c1a07)',
    );
    assert.match(describeOwner(kv('/master/a', 9n)), /^somebody who left no name .*since revision 9/);
  });

  for (const value of [
    '',
    'rubbish',
    '[]',
    'null',
    '1',
    '{"id":1,"host":"h","pid":2,"since":"s"}',
    '{"id":"S"}',
  ]) {
    it(`take ${value || 'an empty value'} for no name`, () => {
      assert.equal(parseHolder(Buffer.from(value)), undefined);
    });
  }

  it('let nothing reach a terminal as it stands', () => {
    const holder = { id: '\u001b[2J\n', host: 'x'.repeat(10_000), pid: 1, since: '' };
    const text = describeOwner(kv('/master/\u001b[0m', 9n, JSON.stringify(holder)));
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(text, /[\u0000-\u001f]/);
    assert.ok(text.length < 400);
  });
});
