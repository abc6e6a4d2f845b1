import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { describeError, hasCode } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { HeldLock } from '../../src/domain/stores.js';
import type { PauseRequest } from '../../src/domain/switchover.js';
import type { Etcd } from '../../src/etcd/client.js';
import { EtcdFailoverLock } from '../../src/etcd/lock.js';
import { EtcdPauseRequests } from '../../src/etcd/pause-requests.js';
import { FakeLock } from '../fakes/lock.js';
import { FakeLog } from '../fakes/log.js';
import { FakePauseRequests } from '../fakes/pause-requests.js';
import { eventually, stays } from '../support/eventually.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';
import { pauseRequestsContract } from './pause-requests-contract.js';
import { Relay } from './relay.js';

const KEY = '/pgcm/failover/request';
const pause: PauseRequest = {
  id: 'S1',
  phase: 'pause',
  release: undefined,
  duration: 25_000,
  timeout: 5_000,
};

function requestsOf(etcd: Etcd, log = new FakeLog()): EtcdPauseRequests {
  return new EtcdPauseRequests(etcd, { pollInterval: 60_000, getTimeout: 5_000 }, log);
}

function acquire(etcd: Etcd): Promise<HeldLock> {
  const lock = new EtcdFailoverLock(etcd, '/master', new FakeLog(), 120_000);
  return lock.acquire({ id: 'S1', host: 'pg01', pid: 42, since: '2025-01-01T00:00:00Z' }, forever);
}

describe('pause requests in etcd', () => {
  let servers: EtcdServers;
  before(async () => (servers = await EtcdServers.start({ members: 3 })));
  after(() => servers.stop());
  afterEach(async () => {
    closeClients();
    await servers.startAll();
    await servers.etcdctl(['del', '', '--from-key=true']);
  });

  pauseRequestsContract(() => {
    const etcd = connect(servers);
    return Promise.resolve({
      requests: requestsOf(etcd),
      acquire: () => acquire(etcd),
      loseLock: async () => {
        await servers.etcdctl(['del', '/master/', '--prefix']);
      },
    });
  });

  it('are JSON below the namespace, under the lease of the lock', async () => {
    const etcd = connect(servers, { namespace: '/site-a' });
    const held = await acquire(etcd);
    await requestsOf(etcd).write(pause, held, forever);
    const text = await servers.etcdctl(['get', `/site-a${KEY}`, '-w', 'json']);
    const value = /"value":"([^"]*)"/.exec(text)?.[1] ?? '';
    assert.equal((JSON.parse(Buffer.from(value, 'base64').toString()) as { id: string }).id, 'S1');
    const lock = await servers.etcdctl(['get', '/site-a/master/', '--prefix', '--keys-only']);
    const lease = BigInt(/"lease":(\d+)/.exec(text)?.[1] ?? 0);
    assert.equal(lock.trim(), `/site-a/master/${lease.toString(16)}`);
  });

  it('name who holds the lock when it was lost', async () => {
    const etcd = connect(servers);
    const held = await acquire(etcd);
    const requests = requestsOf(etcd);
    await requests.write(pause, held, forever);
    // Its key is gone, and its watch has not told it yet: etcd itself refuses the write.
    Object.defineProperty(held, 'lost', { value: forever });
    await servers.etcdctl(['del', '/master/', '--prefix']);
    await assert.rejects(requests.write(pause, held, forever), (error) => {
      assert.ok(hasCode(error, 'lock-lost'), describeError(error));
      return /"\/master\/[0-9a-f]+" is not held any more; now nobody holds it$/.test(error.message);
    });
    await acquire(etcd);
    await assert.rejects(requests.clear(held, forever), (error) => {
      assert.ok(hasCode(error, 'lock-lost'), describeError(error));
      return /it is held by switchover "S1" on host "pg01"/.test(error.message);
    });
  });

  it('of a dead run are cleared by the next', async () => {
    const etcd = connect(servers);
    await etcd.put(KEY, 'rubbish', forever);
    const held = await acquire(etcd);
    const requests = requestsOf(etcd);
    await assert.rejects(requests.read(forever), (error) => hasCode(error, 'invalid-answer'));
    assert.equal(await requests.clear(held, forever), true);
    assert.equal(await requests.read(forever), undefined);
  });

  it('that are not understood are logged and followed as none', async () => {
    const etcd = connect(servers);
    const log = new FakeLog();
    const seen: (PauseRequest | undefined)[] = [];
    const stop = new AbortController();
    const following = requestsOf(etcd, log).follow((request) => seen.push(request), stop.signal);
    await eventually(() => seen.length === 1);
    const held = await acquire(etcd);
    await requestsOf(etcd).write(pause, held, forever);
    await eventually(() => seen.length === 2);
    await etcd.put(KEY, '{"id":7}', forever);
    await eventually(() => seen.length === 3);
    assert.deepEqual(seen, [undefined, pause, undefined]);
    assert.match(String(log.of(events.badValue)[0]?.['error']), /is no pause request: "id"/);
    stop.abort();
    await following;
  });

  it('are written through another member when one freezes, also when it had written them', async () => {
    const relay = await Relay.to(servers.member(0).url);
    const etcd = connect({ endpoints: [relay.url, servers.member(1).url] });
    const held = await acquire(etcd);
    const requests = requestsOf(etcd);
    const first = await requests.write(pause, held, forever);
    // What is sent again finds the key changed: by the very same write, whose answer was lost.
    relay.swallowAnswersAfter('"release"');
    const second = await requests.write({ ...pause, phase: 'release', release: first }, held, forever);
    assert.equal(second, first + 1n);
    const third = await requests.write({ ...pause, phase: 'abort' }, held, forever);
    assert.equal(third, second + 1n);
    assert.equal((await requests.read(forever))?.phase, 'abort');
    await relay.close();
  });

  it('are not undone by what a member that was frozen does when it goes on', async () => {
    const etcd = connect(servers);
    const held = await acquire(etcd);
    const requests = requestsOf(etcd);
    const release = await requests.write(pause, held, forever);
    servers.member(0).freeze();
    await requests.write({ ...pause, phase: 'release', release }, held, forever);
    await requests.write({ ...pause, phase: 'abort' }, held, forever);
    servers.member(0).thaw();
    await stays(async () => (await requests.read(forever))?.phase === 'abort', 1_000);
    await held.release(forever);
  });
});

describe('the pause requests that other tests use', () => {
  pauseRequestsContract(() => {
    const lock = new FakeLock();
    return Promise.resolve({
      requests: new FakePauseRequests(lock),
      acquire: () => lock.acquire({ id: 'S1', host: 'pg01', pid: 42, since: '' }),
      loseLock: () => {
        lock.lose();
        return Promise.resolve();
      },
    });
  });
});
