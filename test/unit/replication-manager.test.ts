import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { Entitlement, SeenRecord } from '../../src/domain/entitlement.js';
import { events } from '../../src/domain/events.js';
import { barrierAround, listOf } from '../../src/domain/synchronous-names.js';
import { ReplicationManager } from '../../src/supervise/replication-manager.js';
import { FakeEntitlements } from '../fakes/entitlements.js';
import { FakeLog } from '../fakes/log.js';
import { FakePrimary } from '../fakes/replication.js';
import { eventually, stays } from '../support/eventually.js';

const confirmed: Entitlement = {
  ...{ system: '7', counter: 1, primary: 'pg01', timeline: 1, claim: undefined, highest: 1 },
  entitled: new Map([['pg01', 0x1000n]]),
};

describe('the replication manager', () => {
  let did: string[];
  let primary: FakePrimary;
  let store: FakeEntitlements;
  let log: FakeLog;
  let stop: () => Promise<void>;

  beforeEach(() => {
    did = [];
    primary = new FakePrimary(did);
    store = new FakeEntitlements();
    store.onWrite = ({ entitled }) => did.push(`record ${[...entitled.keys()].join()}`);
    log = new FakeLog();
    stop = () => Promise.resolve();
  });
  afterEach(() => stop());

  const manage = ({
    wanted = 1,
    strict = false,
    role = { timeline: 1 },
    seen,
    onConfirmed = () => undefined,
  }: {
    wanted?: number;
    strict?: boolean;
    seen?: SeenRecord | undefined;
    role?: { timeline: number | undefined };
    onConfirmed?: () => void;
  } = {}): ReplicationManager => {
    const manager = new ReplicationManager({
      ...{ store, replication: primary, wanted, strict, log },
      onConfirmed,
      role: {
        get timeline() {
          return role.timeline;
        },
        now: () => undefined,
      },
      seen: () => Promise.resolve(seen),
      localName: () => Promise.resolve('pg01'),
      addressOf: () => parseAddress('10.0.0.1'),
    });
    const end = new AbortController();
    const running = manager.run(end.signal);
    stop = async () => {
      end.abort();
      await running;
    };
    return manager;
  };

  const entitles = (...standbys: readonly string[]): Promise<void> =>
    eventually(
      () =>
        [...store.record.entitled.keys()].join() === ['pg01', ...standbys].join() &&
        primary.names === listOf(standbys),
    );

  it('grows by barrier, proof, record and list, in this order', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    manage();
    await entitles('pg02');
    assert.deepEqual(did, [
      'lock',
      `names ${barrierAround(['pg02'])}`,
      'record pg01,pg02',
      `names ${listOf(['pg02'])}`,
    ]);
    // Both test rows are before the position, which the standby has flushed.
    assert.equal(store.record.entitled.get('pg02'), 0x1020n);
    assert.equal(store.record.counter, 2);
  });

  it('on a standby asks PostgreSQL nothing: neither it nor the record has a timeline for this node', async () => {
    store.put({ ...confirmed, primary: 'pg02', entitled: new Map([['pg02', 0x1000n]]) });
    manage({ role: { timeline: undefined } });
    await stays(() => primary.sessions === 0, 300);
  });

  it('tells of a confirmation once, and knows whether it is of the timeline that is written here', async () => {
    let told = 0;
    const role: { timeline: number | undefined } = { timeline: undefined };
    store.put({ ...confirmed, primary: 'pg02', entitled: new Map([['pg02', 0x1000n]]) });
    const manager = manage({ role, onConfirmed: () => (told += 1) });
    // Until then it does not know what this node is called.
    await eventually(() => manager.exists);
    await stays(() => told === 0 && !manager.confirms('7'), 50);
    const ours = { ...confirmed, counter: 2, timeline: 2, highest: 3 };
    store.put({ ...ours, claim: { member: 'pg02', timeline: 3 } });
    role.timeline = 2;
    await stays(() => told === 0 && !manager.confirms('7'), 50);
    store.put({ ...ours, counter: 3 });
    await eventually(() => told === 1);
    assert.equal(manager.confirms('7'), true);
    assert.equal(manager.confirms('8'), false, 'it is of another system');
    assert.equal(manager.confirms(undefined), false, 'which system this is is not known');
    role.timeline = 1;
    assert.equal(manager.confirms('7'), false, 'it is of another timeline');
    store.put({ ...ours, counter: 4, claim: { member: 'pg01', timeline: 1 } });
    await eventually(() => manager.claims('7'));
    assert.equal(manager.claims('8'), false);
    store.put({ ...ours, counter: 5 });
    await eventually(() => told === 2);
  });

  for (const seen of [
    { system: '7', timeline: 1, counter: 9 },
    { system: '7', timeline: 4, counter: 1 },
    { system: '8', timeline: 1, counter: 1 },
  ]) {
    it(`builds nothing on a record that is no later than what this node has seen: ${JSON.stringify(seen)}`, async () => {
      store.put(confirmed);
      primary.comes('pg02');
      manage({ seen });
      await eventually(() => JSON.stringify(log.of(events.entitlementError)).includes('pgcm adopt'));
      await stays(() => store.written.length === 0 && primary.names === '', 300);
    });
  }

  it('does not entitle one whose name another has taken before commits wait', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    primary.checkpointerIsBusy = true;
    manage();
    await eventually(() => primary.names === barrierAround(['pg02']));
    primary.comes('pg02', { address: '10.0.0.9' });
    primary.checkpointerIsBusy = false;
    primary.waits = true;
    await eventually(() => primary.names !== barrierAround(['pg02']), { limit: 10_000 });
    assert.ok(store.written.every(({ entitled }) => !entitled.has('pg02')));
  });

  it('shrinks the record first, on the word of a connection opened for it', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    manage();
    await entitles('pg02');
    did.length = 0;
    primary.goes('pg02');
    await entitles();
    assert.deepEqual(did, ['look anew', 'record pg01', 'names ']);
  });

  it('withdraws nobody when only a session that outlived the postmaster misses him', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    manage();
    await entitles('pg02');
    primary.orphaned = true;
    await stays(() => store.record.entitled.has('pg02'), 500);
    assert.equal(primary.names, listOf(['pg02']));
  });

  it('has another take the place of one that goes, without asynchronous gap', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    manage();
    await entitles('pg02');
    primary.comes('pg03');
    did.length = 0;
    primary.goes('pg02');
    await entitles('pg03');
    assert.deepEqual(did, [
      'look anew',
      `names ${barrierAround(['pg03'])}`,
      'record pg01,pg03',
      `names ${listOf(['pg03'])}`,
    ]);
  });

  it('closes the list before a newcomer gets a place, where it could count for another', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    manage({ wanted: 2 });
    await entitles('pg02');
    did.length = 0;
    primary.comes('pg03');
    await entitles('pg02', 'pg03');
    assert.deepEqual(did, [
      `names ${barrierAround([])}`,
      `names ${barrierAround(['pg02', 'pg03'])}`,
      'record pg01,pg02,pg03',
      `names ${listOf(['pg02', 'pg03'])}`,
    ]);
  });

  it('entitles nobody while a walsender follows an older list', async () => {
    store.put(confirmed);
    primary.set(listOf(['pg02']));
    primary.comes('pg02');
    primary.comes('pg03');
    primary.slow.add('pg02');
    store.put({ ...confirmed, entitled: new Map([...confirmed.entitled, ['pg02', 0x1000n]]) });
    manage({ wanted: 2 });
    await eventually(() => log.of(events.entitlementError).length > 0);
    assert.ok(!store.record.entitled.has('pg03'));
    primary.slow.clear();
    primary.set(primary.names);
    await eventually(() => store.record.entitled.has('pg03'));
  });

  it('entitles nobody while commits do not wait, as the checkpointer is busy', async () => {
    store.put(confirmed);
    primary.checkpointerIsBusy = true;
    primary.comes('pg02');
    manage();
    await eventually(() => primary.names === barrierAround(['pg02']));
    await stays(() => !store.record.entitled.has('pg02'), 300);
    primary.checkpointerIsBusy = false;
    primary.waits = true;
    await entitles('pg02');
  });

  it('entitles nobody who has not flushed what was acknowledged, and lets commits go on', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    primary.slow.add('pg02');
    primary.onNames = () => primary.slow.delete('pg02');
    manage();
    await entitles('pg02');
    await stop();

    store.put({ ...confirmed, counter: 10 });
    primary.set('');
    primary.onNames = () => undefined;
    primary.slow.add('pg02');
    did.length = 0;
    manage();
    await eventually(() => did.some((line) => line.startsWith('names FIRST 1000')));
    await eventually(() => primary.names === '');
    // The rows of the proof are not left behind, and the list is changed after a write only.
    assert.equal(primary.cancelled.length > 0, true);
    assert.equal(did[did.indexOf('names ') - 1], 'record pg01');
    assert.ok(store.record.counter > 10);
    assert.ok(!store.record.entitled.has('pg02'));
  });

  it('settles a doubt by a write, and not by a read: what comes late is void', async () => {
    store.put(confirmed);
    store.fates.push('doubt-late');
    primary.comes('pg02');
    manage();
    await eventually(() => did.includes('names '));
    const settled = did.slice(did.indexOf('record pg01,pg02'));
    assert.deepEqual(settled.slice(0, 3), ['record pg01,pg02', 'record pg01', 'names ']);
    assert.equal(store.late?.(), false, 'the late write was made');
  });

  it('goes on from a doubtful write that was made', async () => {
    store.put(confirmed);
    store.fates.push('doubt-made');
    primary.comes('pg02');
    manage();
    await entitles('pg02');
    assert.equal(store.record.counter, 3);
  });

  it('touches the list only after a write that was made, when the record was written meanwhile', async () => {
    store.put(confirmed);
    store.fates.push('refused');
    primary.comes('pg02');
    manage();
    await eventually(() => did.includes('names '));
    assert.ok(store.record.counter >= 3);
    await entitles('pg02');
  });

  it('without etcd keeps the list, and commits wait', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    manage();
    await entitles('pg02');
    store.failure = new Error('no quorum');
    primary.goes('pg02');
    await stays(() => primary.names === listOf(['pg02']), 400);
    store.failure = undefined;
    await entitles();
  });

  it('with sync-mode strict keeps the barrier when the last one is gone', async () => {
    store.put(confirmed);
    primary.set(barrierAround([]));
    primary.comes('pg02');
    manage({ strict: true });
    await entitles('pg02');
    primary.goes('pg02');
    await eventually(() => primary.names === barrierAround([]) && store.record.entitled.size === 1);
    await stays(() => primary.names === barrierAround([]), 300);
  });

  it('lifts the barrier of an agent that was ended in between after a write', async () => {
    primary.set(barrierAround([]));
    store.put(confirmed);
    manage();
    await entitles();
    assert.deepEqual(did.slice(1), ['lock', 'record pg01', 'names ']);
  });

  it('voids the claim of another by its own write', async () => {
    store.put({ ...confirmed, claim: { member: 'pg02', timeline: 2 }, highest: 2 });
    primary.comes('pg03');
    manage();
    await entitles('pg03');
    assert.equal(store.record.claim, undefined);
    assert.equal(store.record.highest, 2);
  });

  it('does nothing for another primary, another timeline, another system, or without a record', async () => {
    primary.comes('pg02');
    const others: (Entitlement | undefined)[] = [
      undefined,
      { ...confirmed, primary: 'pg02' },
      { ...confirmed, timeline: 2, highest: 2 },
      { ...confirmed, system: '8' },
    ];
    for (const other of others) {
      store.put(other);
      manage();
      await stays(() => primary.names === '' && store.written.length === 0, 200);
      await stop();
    }
    assert.ok(!did.includes('lock'));
  });

  it('lets go when the record names another, and leaves the list as it is', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    const manager = manage();
    await entitles('pg02');
    store.put({ ...store.record, primary: 'pg02', timeline: 2, highest: 2 });
    await eventually(() => !manager.manages);
    assert.equal(primary.holder, undefined);
    assert.equal(primary.names, listOf(['pg02']));
  });

  it('a successor ends the session of one that was frozen, who then changes nothing', async () => {
    store.put(confirmed);
    primary.comes('pg02');
    manage();
    await entitles('pg02');
    const frozen = primary.holder;
    const other = await primary.connect();
    await other.lock(new AbortController().signal);
    await assert.rejects(async () => frozen?.setNames(''));
    assert.equal(primary.names, listOf(['pg02']));
    // It comes back over a new session.
    primary.goes('pg02');
    await entitles();
  });
});
