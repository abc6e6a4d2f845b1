import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { FoundLock } from '../../src/domain/stores.js';
import { Janitor, UNNAMED } from '../../src/supervise/janitor.js';
import { FakeLog } from '../fakes/log.js';
import { FakeManager } from '../fakes/manager.js';
import { eventually, stays } from '../support/eventually.js';

const held = (id: string | undefined): FoundLock => ({
  holder: id === undefined ? undefined : { id, host: 'h', pid: 1, since: '' },
  revision: 7n,
  key: '/master/1',
});

describe('janitor', () => {
  let manager: FakeManager;
  let owner: FoundLock | undefined | PgcmError;
  let log: FakeLog;
  let looks: number;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    manager = new FakeManager();
    owner = undefined;
    log = new FakeLog();
    looks = 0;
    stop = new AbortController();
    const moves = manager.moves.bind(manager);
    manager.moves = () => {
      looks += 1;
      return moves();
    };
    const lock = {
      owner: () => (owner instanceof PgcmError ? Promise.reject(owner) : Promise.resolve(owner)),
    };
    running = new Janitor({ manager, lock, log, etcdTimeout: 1_000, interval: 20 }).run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  it("takes back the moves of switchovers that hold no lock, and leaves the lock owner's alone", async () => {
    owner = held('alive');
    manager.preferences.push('dead', 'alive', 'dead-too');
    await eventually(() => manager.preferences.length === 1);
    await stays(() => manager.preferences.includes('alive'), 100);
    assert.equal(log.of(events.orphanedMove).length, 2);
    owner = undefined;
    await eventually(() => manager.preferences.length === 0);
  });

  it('takes back nothing while it is not known who holds the lock; says so once, and goes on', async () => {
    owner = new PgcmError('unavailable', 'etcd has no quorum');
    manager.preferences.push('dead');
    await stays(() => manager.preferences.length === 1, 100);
    assert.equal(log.of(events.orphanedMove).length, 1);
    owner = undefined;
    await eventually(() => manager.preferences.length === 0);
  });

  it('does not take a switchover for dead that began between its two questions', async () => {
    const moves = manager.moves.bind(manager);
    manager.moves = async () => {
      const seen = await moves();
      owner = held('new');
      if (!manager.preferences.includes('new')) manager.preferences.push('new');
      return seen;
    };
    await eventually(() => looks > 3);
    assert.deepEqual(manager.preferences, ['new']);
  });

  it('leaves an unnamed move to an original client that holds the lock, and to who has none for a while', async () => {
    owner = held(undefined);
    manager.preferences.push(UNNAMED);
    await stays(() => manager.preferences.length === 1, 100);
    owner = undefined;
    const before = looks;
    await eventually(() => manager.preferences.length === 0);
    assert.ok(looks >= before + 1, 'it had no time');
    // A pgcm switchover holds the lock: an unnamed one has lost it.
    owner = held('alive');
    manager.preferences.push(UNNAMED);
    await eventually(() => manager.preferences.length === 0);
  });
});
