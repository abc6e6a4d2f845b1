import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { adopt, type AdoptOptions } from '../../src/adopt/adopt.js';
import type { Entitlement } from '../../src/domain/entitlement.js';
import { hasCode } from '../../src/domain/errors.js';
import { FakeEntitlements } from '../fakes/entitlements.js';
import { FakeManager, member } from '../fakes/manager.js';
import { topologyOf } from '../fakes/topologies.js';

const never = new AbortController().signal;
const system = '7301234567890123456';
const healthy: Entitlement = {
  ...{ system, counter: 42, primary: 'pg02', timeline: 5, claim: undefined, highest: 6 },
  entitled: new Map([['pg02', 1n]]),
};

describe('adopt', () => {
  let manager: FakeManager;
  let store: FakeEntitlements;
  let said: string[];
  let options: AdoptOptions;

  beforeEach(() => {
    manager = new FakeManager();
    manager.topology = {
      quorum: true,
      primary: { kind: 'none', why: 'nobody may be promoted' },
      members: [
        member('pg01'),
        member('pg02', { online: false, role: 'unknown' }),
        member('pg03', { role: 'stopped' }),
      ],
    };
    store = new FakeEntitlements();
    said = [];
    options = {
      ...{ node: 'pg01', manager, store, dryRun: false },
      listens: () => Promise.resolve(false),
      topologies: {
        read: () => Promise.resolve(topologyOf('pg02', { systemIdentifier: system, timeline: 8 })),
      },
      ownData: () =>
        Promise.resolve({ system, timeline: 5, position: 0x3000028n, state: 'in archive recovery' }),
      seen: () => Promise.resolve({ system, timeline: 6, counter: 42 }),
      say: (text) => said.push(text),
    };
  });

  const refuses = (change: Partial<AdoptOptions>, why: RegExp): Promise<void> =>
    assert.rejects(
      adopt({ ...options, ...change }, never),
      (error) => hasCode(error, 'refused') && why.test(error.message),
    );

  it('writes a record in which this node alone may be promoted, above all that was seen', async () => {
    await adopt(options, never);
    const { counter, highest, ...rest } = store.record;
    assert.deepEqual(rest, {
      ...{ system, primary: 'pg01', timeline: 5, claim: undefined },
      entitled: new Map([['pg01', 0x3000028n]]),
    });
    assert.ok(counter > 42);
    assert.ok(highest > 8, 'the published topology was of timeline 8');
    assert.ok(store.topologyRemoved);
    assert.ok(said.some((line) => line.startsWith('pg02: offline, and nothing listens')));
    assert.ok(said.some((line) => line.startsWith('pg03: PostgreSQL is stopped there')));
  });

  it('says what it would do, and does nothing, with --dry-run', async () => {
    await adopt({ ...options, dryRun: true }, never);
    assert.equal(store.reading.kind, 'missing');
    assert.match(said.at(-1) ?? '', /^to write: primary pg01 on timeline 5/);
  });

  it('takes the place of a record that is lower than what was seen, and of another system', async () => {
    store.put({ ...healthy, counter: 41 });
    await adopt(options, never);
    assert.equal(store.record.primary, 'pg01');
    store.put({ ...healthy, system: '1' });
    await adopt(options, never);
    assert.equal(store.record.system, system);
  });

  it('refuses where nothing was lost', async () => {
    store.put(healthy);
    await refuses({}, /nothing was lost.*pg02 was the last primary/);
    await refuses({ seen: () => Promise.resolve(undefined) }, /nothing was lost/);
    assert.deepEqual(store.record, healthy);
  });

  it('refuses on another node, with the data of another cluster, and without quorum', async () => {
    await refuses({ node: 'pg02' }, /this is pg01, not pg02/);
    await refuses(
      { seen: () => Promise.resolve({ system: '1', timeline: 1, counter: 1 }) },
      /another cluster/,
    );
    manager.topology = { ...manager.topology, quorum: false };
    await refuses({}, /no quorum/);
    assert.equal(store.reading.kind, 'missing');
  });

  it('refuses as long as another member is not proven to be down', async () => {
    const wrong: readonly (readonly [Partial<AdoptOptions>, Parameters<typeof member>[1], RegExp])[] = [
      [{}, { role: 'standby' }, /^pg02: not proven/],
      [{}, { online: false, unclean: true }, /^pg02: not proven/],
      [
        { listens: (address) => Promise.resolve(address === '10.77.0.12') },
        { role: 'stopped' },
        /^pg02: not proven/,
      ],
      [{ listens: () => Promise.reject(new Error('no')) }, { role: 'stopped' }, /^pg02, pg03: not proven/],
    ];
    for (const [change, other, why] of wrong) {
      const members = [member('pg01'), member('pg02', other), member('pg03', { role: 'stopped' })];
      manager.topology = { ...manager.topology, members };
      await refuses(change, why);
    }
    assert.equal(store.reading.kind, 'missing');
  });

  it('says when somebody else wrote the record meanwhile, or when it is in doubt', async () => {
    store.put({ ...healthy, counter: 1 });
    store.fates.push('refused');
    await refuses({}, /was written since/);
    store.fates.push('doubt-made');
    await assert.rejects(adopt(options, never), (error) => hasCode(error, 'in-doubt'));
  });
});
