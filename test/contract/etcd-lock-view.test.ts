import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { describeError, hasCode } from '../../src/domain/errors.js';
import type { LockHolder } from '../../src/domain/stores.js';
import type { Etcd } from '../../src/etcd/client.js';
import { EtcdFailoverLock } from '../../src/etcd/lock.js';
import { EtcdLockView } from '../../src/etcd/lock-view.js';
import { EtcdMandateCheck } from '../../src/etcd/mandate-check.js';
import { lockHolder } from '../../src/records/lock-holder.js';
import { FakeLock } from '../fakes/lock.js';
import { FakeLog } from '../fakes/log.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';
import { lockViewContract } from './lock-view-contract.js';
import { Program } from './programs.js';

const holder: LockHolder = { id: 'S1', host: 'pg01', pid: 42, since: '2025-01-01T00:00:00Z' };

const lockOf = (etcd: Etcd, ttl = 120_000): EtcdFailoverLock =>
  new EtcdFailoverLock(etcd, '/master', new FakeLog(), ttl);

describe('the failover lock in etcd, seen by others', () => {
  let servers: EtcdServers;
  const programs: Program[] = [];
  before(async () => (servers = await EtcdServers.start()));
  after(() => servers.stop());
  afterEach(async () => {
    closeClients();
    for (const program of programs.splice(0)) await program.kill();
    await servers.startAll();
    await servers.etcdctl(['del', '', '--from-key=true']);
  });

  lockViewContract(() => {
    const etcd = connect(servers);
    return Promise.resolve({
      lock: lockOf(etcd),
      view: new EtcdLockView(etcd, '/master'),
      mandates: new EtcdMandateCheck(etcd, '/master'),
      original: async () => {
        const program = new Program('etcdctl', [
          `--endpoints=${servers.member(0).url}`,
          'lock',
          '--ttl=120',
          '/master',
        ]);
        programs.push(program);
        await program.prints(/^\/master\/[0-9a-f]+$/m);
        return () => program.kill();
      },
      // A lease that nobody renews: 3 s of it are looked at.
      dead: async (who) => {
        const { id } = await etcd.grantLease(6, forever);
        await etcd.put(`/master/${id.toString(16)}`, lockHolder.serialise(who), forever, id);
      },
    });
  });

  it('is alive when its lease is renewed, and nothing is removed then', async () => {
    const etcd = connect(servers);
    const held = await lockOf(connect(servers), 6_000).acquire(holder, forever);
    const view = new EtcdLockView(etcd, '/master');
    const found = await view.owner(forever);
    assert.ok(found);
    assert.equal(await view.removeDead(found, forever), 'alive');
    assert.ok(!held.lost.aborted);
    await held.release(forever);
  });

  it('is removed when it has no lease, and gone when its lease has ended', async () => {
    const etcd = connect(servers);
    const view = new EtcdLockView(etcd, '/master');
    await etcd.put('/master/abc', 'somebody', forever);
    const found = await view.owner(forever);
    assert.ok(found);
    assert.equal(found.holder, undefined);
    assert.equal(await view.removeDead(found, forever), 'removed');
    const { id } = await etcd.grantLease(60, forever);
    await etcd.put('/master/abd', '', forever, id);
    const next = await view.owner(forever);
    assert.ok(next);
    const removing = view.removeDead(next, forever);
    await etcd.revokeLease(id, forever);
    assert.equal(await removing, 'gone');
  });

  it('is left alone when there was no time to find out', async () => {
    const etcd = connect(servers);
    const { id } = await etcd.grantLease(60, forever);
    await etcd.put('/master/abc', '', forever, id);
    const view = new EtcdLockView(etcd, '/master');
    const found = await view.owner(forever);
    assert.ok(found);
    await assert.rejects(view.removeDead(found, AbortSignal.timeout(600)), (error) =>
      hasCode(error, 'aborted', 'timed-out'),
    );
    assert.deepEqual(await view.owner(forever), found);
  });

  it('is named to whoever asks with a mandate that is not valid any more', async () => {
    const etcd = connect(servers);
    const mandates = new EtcdMandateCheck(etcd, '/master');
    const old = { switchover: 'S0', lockRevision: 1n };
    const refusal = async (): Promise<string> => {
      try {
        await mandates.verify(old, forever);
      } catch (error) {
        assert.ok(hasCode(error, 'lock-lost'), describeError(error));
        return error.message;
      }
      return assert.fail('it was let through');
    };
    assert.match(await refusal(), /switchover "S0" does not hold the failover lock any more, nobody does/);
    await lockOf(etcd).acquire(holder, forever);
    assert.match(await refusal(), /any more, but switchover "S1" on host "pg01", pid 42/);
  });

  it('is read again when the answer took so long that it says nothing of now', async () => {
    const etcd = connect(servers);
    const held = await lockOf(etcd).acquire(holder, forever);
    let reads = 0;
    // The lock ends while this process has the answer that it is held, and is held up.
    const late = new EtcdMandateCheck(
      {
        name: etcd.name,
        getPrefix: async (prefix, signal) => {
          const answer = await etcd.getPrefix(prefix, signal);
          reads += 1;
          if (reads > 1) return answer;
          await held.release(forever);
          for (const end = performance.now() + 1_100; performance.now() < end;);
          return answer;
        },
      },
      '/master',
    );
    const mandate = { switchover: 'S1', lockRevision: held.revision };
    await assert.rejects(late.verify(mandate, forever), (error) => hasCode(error, 'lock-lost'));
    assert.equal(reads, 2);
  });

  it('cannot be checked without etcd, and so lets nobody act', async () => {
    const mandates = new EtcdMandateCheck(connect(servers, { timeout: 500 }), '/master');
    await servers.killAll();
    await assert.rejects(mandates.verify(undefined, forever), (error) => hasCode(error, 'unavailable'));
  });
});

describe('the lock that other tests use', () => {
  lockViewContract(() => {
    const lock = new FakeLock();
    return Promise.resolve({
      lock,
      view: lock,
      mandates: lock,
      original: () => {
        lock.take(undefined);
        return Promise.resolve(() => {
          lock.lose();
          return Promise.resolve();
        });
      },
      dead: (who) => {
        lock.take(who, false);
        return Promise.resolve();
      },
    });
  });
});
