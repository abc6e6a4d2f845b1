import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { describeError, hasCode } from '../../src/domain/errors.js';
import type { HeldLock, LockHolder } from '../../src/domain/stores.js';
import { EtcdFailoverLock } from '../../src/etcd/lock.js';
import { FakeLog } from '../fakes/log.js';
import { eventually, stays } from '../support/eventually.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';
import { Program } from './programs.js';
import { Relay } from './relay.js';

const holder: LockHolder = { id: 'S1', host: 'pg01', pid: 42, since: '2025-01-01T00:00:00Z' };
/** So long that nothing in a test waits for a lease to end by itself. */
const LONG = 120_000;
const SHORT = 2_000;

describe('the failover lock', () => {
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

  function lockOf({ ttl = LONG, namespace = '' } = {}): EtcdFailoverLock {
    const etcd = connect(servers, { namespace });
    return new EtcdFailoverLock(etcd, '/master', new FakeLog(), ttl);
  }

  /** The original's lock: etcdctl takes it with the very function of etcd's Go client. */
  function original(key = '/master'): Program {
    const program = new Program('etcdctl', [
      `--endpoints=${servers.member(0).url}`,
      'lock',
      '--ttl=120',
      key,
    ]);
    programs.push(program);
    return program;
  }

  function child(ttl: number, url = servers.member(0).url): Program {
    const file = fileURLToPath(new URL('./etcd-lock-holder.js', import.meta.url));
    const program = new Program(process.execPath, [file, url, String(ttl)]);
    programs.push(program);
    return program;
  }

  async function contenders(): Promise<readonly string[]> {
    const keys = await servers.etcdctl(['get', '/master/', '--prefix', '--keys-only']);
    return keys.split('\n').filter((line) => line !== '');
  }

  it("is etcd's mutex recipe: a key of its lease in hexadecimal, with the holder as its value", async () => {
    const held = await lockOf().acquire(holder, forever);
    const [key, ...others] = await contenders();
    assert.deepEqual(others, []);
    assert.match(key ?? '', /^\/master\/[1-9a-f][0-9a-f]*$/);
    const text = await servers.etcdctl(['get', key ?? '', '-w', 'json']);
    const { kvs } = JSON.parse(text) as { kvs: { create_revision: number; value: string }[] };
    assert.equal(BigInt(kvs[0]?.create_revision ?? 0), held.revision);
    assert.deepEqual(JSON.parse(Buffer.from(kvs[0]?.value ?? '', 'base64').toString()), holder);
    // Compared as text: an int64 may be larger than a double holds.
    const lease = /"lease":(\d+)/.exec(text)?.[1] ?? '';
    assert.equal(key, `/master/${BigInt(lease).toString(16)}`);
    await held.release(forever);
    assert.deepEqual(await contenders(), []);
  });

  it('goes to the next who waits at once when it is released', async () => {
    const first = await lockOf().acquire(holder, forever);
    const waiting = lockOf().acquire({ ...holder, id: 'S2' }, forever);
    await eventually(async () => (await contenders()).length === 2);
    await first.release(forever);
    assert.ok(!first.lost.aborted, 'a released lock is not a lost one');
    const second = await waiting;
    assert.ok(second.revision > first.revision);
    await second.release(forever);
  });

  it('names the holder when the wait ends, and leaves nothing behind', async () => {
    const held = await lockOf().acquire(holder, forever);
    await assert.rejects(lockOf().acquire({ ...holder, id: 'S2' }, AbortSignal.timeout(300)), (error) => {
      assert.ok(hasCode(error, 'lock-held'), describeError(error));
      assert.match(
        error.message,
        /^etcd \(http:\S+\): the failover lock under \/master is held by switchover "S1"/,
      );
      assert.match(error.message, /host "pg01", pid 42, since "2025-01-01T00:00:00Z"/);
      assert.ok(error.message.includes(`since revision ${held.revision}`));
      return true;
    });
    assert.equal((await contenders()).length, 1);
    assert.equal((await leases()).length, 1);
    await held.release(forever);
    assert.equal((await leases()).length, 0);
  });

  it('waits for a run of the original, and says what is known of it', async () => {
    const theirs = original();
    await theirs.prints(/^\/master\/[0-9a-f]+$/m);
    const key = theirs.output.trim();
    await assert.rejects(lockOf().acquire(holder, AbortSignal.timeout(300)), (error) => {
      assert.ok(hasCode(error, 'lock-held'));
      assert.match(error.message, /somebody who left no name/);
      assert.match(error.message, new RegExp(`key "${key}", since revision \\d+, lease ${key.slice(8)}`));
      return true;
    });
    const ours = lockOf().acquire(holder, forever);
    await eventually(async () => (await contenders()).length === 2);
    theirs.signal('SIGINT');
    await (await ours).release(forever);
  });

  it('makes a run of the original wait', async () => {
    const ours = await lockOf().acquire(holder, forever);
    const theirs = original();
    await eventually(async () => (await contenders()).length === 2);
    await stays(() => theirs.output === '' && !theirs.ended, 300);
    await ours.release(forever);
    await theirs.prints(/^\/master\/[0-9a-f]+$/m);
  });

  it('keeps the order of ours and theirs in one queue', async () => {
    const first = await lockOf().acquire(holder, forever);
    const theirs = original();
    await eventually(async () => (await contenders()).length === 2);
    let got: HeldLock | undefined;
    const last = lockOf()
      .acquire(holder, forever)
      .then((held) => (got = held));
    await eventually(async () => (await contenders()).length === 3);
    await first.release(forever);
    await theirs.prints(/^\/master\//m);
    await stays(() => got === undefined, 200);
    theirs.signal('SIGINT');
    await (await last).release(forever);
  });

  it('is below the namespace', async () => {
    const held = await lockOf({ namespace: '/site-a' }).acquire(holder, forever);
    const theirs = original('/site-a/master');
    await stays(() => theirs.output === '', 300);
    const elsewhere = original();
    await elsewhere.prints(/^\/master\//m);
    await held.release(forever);
    await theirs.prints(/^\/site-a\/master\//m);
  });

  it('is free when the lease of a holder that was killed has ended', async () => {
    const theirs = child(SHORT);
    await theirs.prints(/^held$/m);
    await theirs.kill();
    await assert.rejects(lockOf().acquire(holder, AbortSignal.timeout(200)), (error) =>
      hasCode(error, 'lock-held'),
    );
    await (await lockOf().acquire(holder, forever)).release(forever);
  });

  it('is kept for longer than its lease by a holder that lives', async () => {
    const held = await lockOf({ ttl: 3_000 }).acquire(holder, forever);
    await stays(async () => !held.lost.aborted && (await contenders()).length === 1, 6_500);
    await held.release(forever);
  });

  it('is known to be lost, first thing, by a holder that was frozen', async () => {
    const relay = await Relay.to(servers.member(0).url);
    const theirs = child(SHORT, relay.url);
    await theirs.prints(/^held$/m);
    theirs.write('?\n');
    await theirs.prints(/^kept$/m);
    // Nothing of etcd's tells it: only its own clock does.
    relay.hold();
    theirs.signal('SIGSTOP');
    const ours = await lockOf().acquire(holder, forever);
    // The question is there before it goes on, and is read before any timer runs.
    theirs.write('?\n');
    theirs.signal('SIGCONT');
    await eventually(() => theirs.output.split('\n').length === 4);
    assert.match(
      theirs.output,
      /^held\nkept\nlost etcd .*: lease [0-9a-f]+ is lost: this process was held up/,
    );
    await ours.release(forever);
    await relay.close();
  });

  it('is lost before its lease can have ended when etcd is gone', async () => {
    const held = await lockOf({ ttl: SHORT }).acquire(holder, forever);
    const start = performance.now();
    await servers.killAll();
    await eventually(() => held.lost.aborted);
    const reason: unknown = held.lost.reason;
    assert.ok(hasCode(reason, 'lock-lost') && !reason.retryable);
    assert.match(reason.message, /no keep-alive was answered in time: .*ECONNREFUSED/);
    assert.ok(performance.now() - start < 10 * SHORT);
    await assert.rejects(held.release(forever), (error) => hasCode(error, 'unavailable'));
  });

  it('is lost when etcd freezes', async () => {
    const held = await lockOf({ ttl: SHORT }).acquire(holder, forever);
    servers.member(0).freeze();
    await eventually(() => held.lost.aborted);
    servers.member(0).thaw();
    await held.release(forever);
  });

  it('is lost when somebody deletes its key', async () => {
    const held = await lockOf().acquire(holder, forever);
    await servers.etcdctl(['del', '/master/', '--prefix']);
    await eventually(() => held.lost.aborted);
    assert.match(describeError(held.lost.reason), /the lock's key \/master\/[0-9a-f]+ was deleted/);
    await held.release(forever);
  });

  it('is waited for again when the place in the queue was lost with its lease', async () => {
    const first = await lockOf().acquire(holder, forever);
    let got: HeldLock | undefined;
    const waiting = lockOf({ ttl: SHORT })
      .acquire(holder, forever)
      .then((held) => (got = held));
    await eventually(async () => (await contenders()).length === 2);
    const before = await contenders();
    const key = before.find((name) => !name.endsWith(leaseOf(before, first)));
    assert.ok(key);
    await servers.etcdctl(['del', key]);
    await eventually(async () => {
      const now = await contenders();
      return now.length === 2 && !now.includes(key);
    });
    assert.equal(got, undefined);
    await first.release(forever);
    await (await waiting).release(forever);
  });

  it('fails when etcd is not there', async () => {
    await servers.killAll();
    await assert.rejects(lockOf().acquire(holder, forever), (error) => hasCode(error, 'unavailable'));
  });

  async function leases(): Promise<readonly string[]> {
    const lines = (await servers.etcdctl(['lease', 'list'])).split('\n');
    return lines.filter((line) => /^[0-9a-f]+$/.test(line));
  }
});

/** The end of the key of a held lock: keys come in the order of their names, not of their creation. */
function leaseOf(keys: readonly string[], held: HeldLock): string {
  const own = 'key' in held ? String(held.key) : '';
  assert.ok(keys.includes(own));
  return own.slice('/master/'.length);
}
