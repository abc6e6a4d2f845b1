import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode, PgcmError } from '../../src/domain/errors.js';
import { sleep } from '../../src/runtime/deadline.js';
import { Lease, type LeaseCalls } from '../../src/etcd/lease.js';
import { eventually } from '../support/eventually.js';

const forever = new AbortController().signal;

/** etcd's leases, where a keep-alive is answered as the test says. */
class FakeLeases implements LeaseCalls {
  readonly name = 'etcd (fake)';
  readonly closing = new AbortController();
  readonly revoked: bigint[] = [];
  keepAlives = 0;
  answer: (signal: AbortSignal) => Promise<number>;
  grantAfter = 0;

  constructor(answer: (signal: AbortSignal) => Promise<number>) {
    this.answer = answer;
  }

  get closed(): AbortSignal {
    return this.closing.signal;
  }

  async grantLease(ttl: number, signal: AbortSignal): Promise<{ id: bigint; ttl: number }> {
    await sleep(this.grantAfter, signal);
    return { id: 255n, ttl };
  }

  keepAlive(_id: bigint, signal: AbortSignal): Promise<number> {
    this.keepAlives += 1;
    return this.answer(signal);
  }

  revokeLease(id: bigint): Promise<void> {
    this.revoked.push(id);
    return Promise.resolve();
  }
}

const fails = (): Promise<number> => Promise.reject(new PgcmError('unavailable', 'etcd is away'));

/** How long from `start` until the lease was lost, in ms. */
async function lostAfter(lease: Lease, start: number): Promise<number> {
  await new Promise<void>((resolve) => {
    if (lease.lost.aborted) resolve();
    else lease.lost.addEventListener('abort', () => resolve(), { once: true });
  });
  return performance.now() - start;
}

describe('a lease', () => {
  it('is lost nine tenths of its time after the grant was sent, not after it was answered', async () => {
    const etcd = new FakeLeases(fails);
    etcd.grantAfter = 1_500;
    const start = performance.now();
    const lease = await Lease.grant(etcd, 3, forever);
    const took = await lostAfter(lease, start);
    // Counted from the answer it would be 4.2 s.
    assert.ok(took >= 2_690 && took < 4_000, `${took} ms`);
    const reason: unknown = lease.lost.reason;
    assert.ok(hasCode(reason, 'lock-lost'));
    assert.match(reason.message, /lease ff is lost: no keep-alive was answered in time: etcd is away/);
  });

  it('counts an answered keep-alive from when it was sent', async () => {
    let sent = 0;
    const etcd = new FakeLeases(async (signal) => {
      if (sent > 0) return fails();
      sent = performance.now();
      await sleep(1_500, signal);
      return 3;
    });
    const lease = await Lease.grant(etcd, 3, forever);
    await eventually(() => sent > 0);
    const took = await lostAfter(lease, sent);
    assert.ok(took >= 2_690 && took < 4_000, `${took} ms`);
  });

  it('is lost at once when etcd says that it has ended', async () => {
    const etcd = new FakeLeases(() => Promise.resolve(0));
    const start = performance.now();
    const lease = await Lease.grant(etcd, 6, forever);
    const took = await lostAfter(lease, start);
    assert.ok(took < 5_000, `${took} ms: after the first keep-alive, which is due after 2 s`);
    assert.match(String(lease.lost.reason), /etcd says that the lease has ended/);
  });

  it('looks at the clock when it is asked, though no timer has run yet', async () => {
    const etcd = new FakeLeases(fails);
    const lease = await Lease.grant(etcd, 1, forever);
    const start = performance.now();
    while (performance.now() - start < 950);
    assert.ok(lease.lost.aborted);
    assert.match(String(lease.lost.reason), /held up for 900ms/);
  });

  it('is lost though nobody asks, however the parts of a millisecond fall', async () => {
    // Timers count in whole milliseconds: one that comes a little too early must not have been the last.
    const etcd = new FakeLeases(() => new Promise(() => undefined));
    let lost = 0;
    for (let i = 0; i < 300; i += 1) {
      const lease = await Lease.grant(etcd, 1, forever);
      lease.lost.addEventListener('abort', () => (lost += 1), { once: true });
      for (const end = performance.now() + 0.137; performance.now() < end;);
    }
    await eventually(() => lost === 300, { limit: 5_000, every: 50 });
  });

  it('is not revived by an answer that came too late', async () => {
    let answer: (ttl: number) => void = () => undefined;
    const etcd = new FakeLeases(() => new Promise((resolve) => (answer = resolve)));
    const lease = await Lease.grant(etcd, 1, forever);
    await lostAfter(lease, 0);
    answer(1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(lease.lost.aborted);
    const asked = etcd.keepAlives;
    await sleep(700, forever);
    assert.equal(etcd.keepAlives, asked, 'nothing is kept alive after it was given up');
  });

  it('is revoked, and not lost, when it is released', async () => {
    const etcd = new FakeLeases(() => Promise.resolve(2));
    const lease = await Lease.grant(etcd, 2, forever);
    await eventually(() => etcd.keepAlives > 0);
    await lease.release(forever);
    assert.deepEqual(etcd.revoked, [255n]);
    await sleep(2_000, forever);
    assert.ok(!lease.lost.aborted);
  });

  it('is lost when its client is closed, which leaves no timer behind', async () => {
    const etcd = new FakeLeases(fails);
    const lease = await Lease.grant(etcd, 600, forever);
    etcd.closing.abort();
    assert.ok(lease.lost.aborted);
    assert.match(String(lease.lost.reason), /the client was closed/);
  });
});
