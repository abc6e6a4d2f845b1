import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { Topology } from '../../src/domain/cluster.js';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { RejoinOrder, RejoinOutcome } from '../../src/domain/node-api.js';
import type { FoundLock } from '../../src/domain/stores.js';
import { OrphanRejoin } from '../../src/supervise/orphan-rejoin.js';
import { FakeHistory, reportOf } from '../fakes/history.js';
import { FakeLog } from '../fakes/log.js';
import { healthyTopology } from '../fakes/manager.js';
import { eventually, stays } from '../support/eventually.js';

/** pg01, the old primary, is down; pg02 is the primary. */
describe('the rejoin of a switchover that died', () => {
  let owner: FoundLock | undefined;
  let history: FakeHistory;
  let state: 'primary' | 'standby' | 'down';
  let topology: Topology | undefined;
  let rejoined: string[];
  let passed: number;
  let result: RejoinOutcome | PgcmError;
  let log: FakeLog;
  let orphan: OrphanRejoin;
  let stop: AbortController;
  let running: Promise<void>;

  const held = (id: string): FoundLock => ({
    holder: { id, host: 'h', pid: 1, since: '' },
    revision: 7n,
    key: '/master/1',
  });

  beforeEach(() => {
    owner = undefined;
    history = new FakeHistory();
    state = 'down';
    topology = { ...healthyTopology(), primary: { kind: 'one', name: 'pg02' } };
    [rejoined, passed] = [[], 0];
    result = { kind: 'streaming', already: false };
    log = new FakeLog();
    stop = new AbortController();
    orphan = new OrphanRejoin({
      lock: { owner: () => Promise.resolve(owner) },
      history,
      postgres: {
        state: () =>
          state === 'down'
            ? Promise.reject(new PgcmError('unavailable', 'no server'))
            : Promise.resolve({ inRecovery: state === 'standby' }),
      },
      rejoin: {
        run: async ({ primary }: RejoinOrder, pass) => {
          await pass();
          rejoined.push(primary.name);
          if (result instanceof PgcmError) throw result;
          return result;
        },
      },
      pass: () => Promise.resolve(void (passed += 1)),
      localName: () => Promise.resolve('pg01'),
      recentLook: () => topology,
      locate: (name) => Promise.resolve({ name, address: parseAddress('10.77.0.12') }),
      log,
      etcdTimeout: 1_000,
      interval: 10,
    });
    running = orphan.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  const nothingHappens = (): Promise<void> => stays(() => rejoined.length === 0, 100);

  it('is done once nobody holds the lock, towards the primary of now, and once', async () => {
    owner = held('dead');
    orphan.serves({ switchover: 'dead' });
    await nothingHappens();
    owner = undefined;
    await eventually(() => rejoined.length > 0);
    await stays(() => rejoined.join() === 'pg02', 100);
    assert.equal(passed, 1);
  });

  it('is not done without a switchover that prepared this primary', nothingHappens);

  it('is not done for one that was told to leave the old primary as it is, whatever came before', async () => {
    owner = held('unwilling');
    orphan.serves({ switchover: 'dead' });
    orphan.serves({ switchover: 'unwilling', noRejoin: true });
    owner = undefined;
    await nothingHappens();
  });

  it('is left to the switchover that holds the lock now', async () => {
    owner = held('another');
    orphan.serves({ switchover: 'dead' });
    await nothingHappens();
  });

  it('is not done for a switchover that came to its rejoin', async () => {
    history.reports = [reportOf('done', { steps: [{ name: 'rejoin', ms: 1, error: '' }] })];
    orphan.serves({ switchover: 'done' });
    await nothingHappens();
  });

  it('is done for one whose rejoin failed, or that never came to it', async () => {
    history.reports = [reportOf('failed', { steps: [{ name: 'rejoin', ms: 1, error: 'lock-lost' }] })];
    orphan.serves({ switchover: 'failed' });
    await eventually(() => rejoined.length === 1);
    history.reports = [reportOf('early', { steps: [{ name: 'migrate', ms: 1, error: 'late' }] })];
    orphan.serves({ switchover: 'early' });
    await eventually(() => rejoined.length === 2);
  });

  it('waits while this is still the primary, and while it is not known who is', async () => {
    state = 'primary';
    orphan.serves({ switchover: 'dead' });
    await nothingHappens();
    state = 'down';
    topology = { ...healthyTopology(), primary: { kind: 'none', why: 'moving' } };
    await nothingHappens();
    topology = undefined;
    await nothingHappens();
    topology = healthyTopology();
    await nothingHappens();
    topology = { ...healthyTopology(), primary: { kind: 'one', name: 'pg03' } };
    await eventually(() => rejoined.join() === 'pg03');
  });

  it('has nothing to do for a standby', async () => {
    state = 'standby';
    orphan.serves({ switchover: 'dead' });
    await nothingHappens();
    state = 'down';
    await nothingHappens();
  });

  it('tells its trouble once, and tries again', async () => {
    result = new PgcmError('timed-out', 'it does not stream');
    orphan.serves({ switchover: 'dead' });
    await eventually(() => rejoined.length > 3);
    assert.equal(log.of(events.rejoinEnd).length, 1);
  });
});
