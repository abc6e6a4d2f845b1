import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { slotOf } from '../../src/domain/entitlement.js';
import type { ReplicationLook, Walsender } from '../../src/domain/replication.js';
import { Standbys } from '../../src/supervise/standbys.js';

const sender = (name: string, parts: Partial<Walsender> = {}): Walsender => ({
  ...{ pid: 1, started: 'then', name, address: `10.0.0.${name.slice(-1)}`, slot: slotOf(name) },
  ...{ state: 'streaming', place: 0, flushed: 0x1000_0000n, reply: '' },
  ...parts,
});

const look = (...walsenders: readonly Walsender[]): ReplicationLook => ({
  ...{ names: '', flushed: 0x1000_0000n, statusInterval: 1_000, walsenders },
});

describe('the standbys', () => {
  let refused: string[];
  let standbys: Standbys;

  beforeEach(() => {
    refused = [];
    standbys = new Standbys(
      'pg01',
      (name) => (/^pg\d\d$/.test(name) ? parseAddress(`10.0.0.${name.slice(-1)}`) : undefined),
      (name, why) => refused.push(`${name}: ${why}`),
    );
  });

  it('that stream are candidates, the one that lacks least first', () => {
    const all = look(
      sender('pg02', { flushed: 0x0fff_0000n }),
      sender('pg03', { flushed: 0x0fff_ff00n }),
      sender('pg04', { flushed: 0n }),
      sender('pg05', { state: 'catchup' }),
      sender('pgcm_rebuild'),
      sender('pg01'),
    );
    assert.deepEqual(standbys.candidates(all, 0), ['pg03', 'pg02']);
  });

  it('are who they say only from their address, through their slot, and once; each reason is told once', () => {
    const odd = look(
      sender('pg02', { address: '10.0.0.9' }),
      sender('pg03', { slot: 'pg02' }),
      sender('pg04', { slot: undefined }),
      sender('pg05'),
      sender('pg05', { pid: 2 }),
      sender('other'),
    );
    assert.deepEqual(standbys.candidates(odd, 0), []);
    assert.deepEqual(standbys.candidates(odd, 100), []);
    assert.deepEqual(refused, [
      'pg02: it comes from 10.0.0.9, and not from 10.0.0.2',
      'pg03: it streams through pg02, and not through pg03',
      'pg04: it streams through no slot, and not through pg04',
      'pg05: it is connected twice',
      'other: the cluster manager knows no address of a member of this name',
    ]);
  });

  it('have slots of their name in lower case', () => {
    assert.equal(slotOf('PG-02.example'), 'pg_02_example');
  });

  it('that catch up are there for a second, and gone at once when nobody is connected', () => {
    const away = look(sender('pg02', { state: 'catchup' }));
    assert.deepEqual([...standbys.there(['pg02', 'pg03'], away, 0)], ['pg02']);
    assert.deepEqual([...standbys.there(['pg02'], away, 900)], ['pg02']);
    assert.deepEqual([...standbys.there(['pg02'], away, 1_100)], []);
    assert.deepEqual([...standbys.there(['pg02'], look(sender('pg02')), 1_200)], ['pg02']);
    assert.deepEqual([...standbys.there(['pg02'], away, 1_300)], ['pg02']);
  });

  it('that could not be entitled are left alone for longer each time, unless they connect anew', () => {
    const one = look(sender('pg02'));
    standbys.failed('pg02', one, 0);
    assert.deepEqual(standbys.candidates(one, 900), []);
    assert.deepEqual(standbys.candidates(one, 1_000), ['pg02']);
    standbys.failed('pg02', one, 1_000);
    assert.deepEqual(standbys.candidates(one, 2_900), []);
    assert.deepEqual(standbys.candidates(look(sender('pg02', { pid: 2 })), 2_900), ['pg02']);
  });
});
