import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { proxyOf } from '../fakes/proxies.js';
import { leftovers, nothing, order, run } from '../fakes/switchover-run.js';
import { FakeCluster } from '../fakes/switchover.js';

describe('a switchover and the proxies', () => {
  it('aborts at once when one of them cannot pause, says what to do next, and clients run', async () => {
    const cluster = new FakeCluster();
    cluster.proxyAnswer = 'failed';
    const startedAt = performance.now();
    const outcome = await run(cluster, cluster.context({ pauseTimeout: 5_000 }));
    assert.ok(performance.now() - startedAt < 2_000, 'it waited for the others');
    assert.equal(outcome.status, 4, outcome.message);
    assert.match(outcome.message, /app01 could not pause.*--pause-timeout.*--terminate-blockers/);
    assert.equal(cluster.requests.written.at(-1)?.phase, 'abort');
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('gives up on one that says nothing, and names it', async () => {
    const cluster = new FakeCluster();
    cluster.proxyAnswer = undefined;
    const outcome = await run(cluster, cluster.context({ pauseTimeout: 50 }));
    assert.equal(outcome.status, 4, outcome.message);
    assert.match(outcome.message, /no word from pgcm proxy.*app01/);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('includes one that joins while others pause, and releases it with the route of the target', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('pause pg01', async () => {
      cluster.join('app02');
      await new Promise((resolve) => setTimeout(resolve, 20));
    });
    const outcome = await run(cluster);
    assert.equal(outcome.status, 0, outcome.message);
    assert.ok(cluster.deeds.includes('pause app02'));
    assert.ok(cluster.deeds.includes('resume app02 10.77.0.12'), cluster.deeds.join(', '));
    const release = cluster.requests.written.at(-1);
    assert.equal(release?.phase, 'release');
    assert.equal(release.release, 2n);
  });

  it('goes on without one that is out of order when forced, and does not wait for it', async () => {
    const cluster = new FakeCluster();
    cluster.proxies.put(proxyOf('app02', { route: undefined, error: 'PgBouncer is away' }));
    const refused = await run(cluster);
    assert.equal(refused.status, 3);
    assert.match(refused.message, /app02: PgBouncer is away.*--force/);
    const outcome = await run(cluster, cluster.context({ force: true }));
    assert.equal(outcome.status, 0, outcome.message);
  });

  it('goes on without one that finds no primary when forced: it may neither pause nor resume', async () => {
    const cluster = new FakeCluster();
    cluster.deaf.add('app02');
    cluster.proxies.put(proxyOf('app02', { hold: { kind: 'over', why: 'connection refused' } }));
    const outcome = await run(cluster, cluster.context({ force: true }));
    assert.equal(outcome.status, 0, outcome.message);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('moves nothing when the pause is nearly over before the move', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('pause pg01', () => new Promise((resolve) => setTimeout(resolve, 150)));
    const outcome = await run(cluster, cluster.context({ pauseExpiry: 200 }));
    assert.equal(outcome.status, 4, outcome.message);
    assert.match(outcome.message, /pause-expiry \(200ms\).*too little for a move/);
    assert.ok(!order(cluster).includes('migrate'));
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('moves nothing when the clients of one run again before the move', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('pause pg01', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      cluster.proxies.put(proxyOf('app01', { pause: { kind: 'running' } }));
    });
    const outcome = await run(cluster);
    assert.equal(outcome.status, 4, outcome.message);
    assert.match(outcome.message, /do not wait any more at app01/);
    assert.ok(!order(cluster).includes('migrate'));
  });

  it('waits for the release of one that joined after the pause', async () => {
    const cluster = new FakeCluster();
    cluster.onMove = () => {
      // It paused as its first act, and does not hear of the release.
      cluster.paused.add('app02');
      cluster.proxies.put(proxyOf('app02', { pause: { kind: 'paused', request: 'test' } }));
      cluster.deaf.add('app02');
      cluster.promote('pg02');
    };
    const outcome = await run(cluster, cluster.context({ resumeTimeout: 50 }));
    assert.equal(outcome.status, 6, outcome.message);
    assert.match(outcome.message, /no word from pgcm proxy.*that its clients run again: app02;/);
  });

  it('pauses a node without a proxy again before the move, as its supervise may have let clients go', async () => {
    const cluster = new FakeCluster();
    const orders: (readonly [string, number | 'never'])[] = [];
    cluster.onPause = (name, { expiry }) => {
      orders.push([name, expiry]);
      // The supervise of pg03 is restarted while the others still pause, and lifts what it finds.
      if (name === 'pg03' && orders.length <= 3) setTimeout(() => cluster.paused.delete('pg03'), 10);
    };
    cluster.faults.set('pause pg01', () => new Promise((resolve) => setTimeout(resolve, 50)));
    let waiting: readonly string[] = [];
    cluster.onMove = (target) => {
      waiting = [...cluster.paused].toSorted();
      cluster.promote(target);
    };
    const outcome = await run(cluster);
    assert.equal(outcome.status, 0, outcome.message);
    assert.deepEqual(waiting, ['app01', 'pg01', 'pg02', 'pg03']);
    // Clients that have waited since the first order wait no longer for it.
    const again = orders.slice(3).map(([, expiry]) => expiry);
    assert.equal(again.length, 3);
    assert.ok(
      again.every((expiry) => expiry !== 'never' && expiry <= 4_950),
      again.join(),
    );
  });

  it('moves nothing when a node without a proxy cannot be paused again before the move', async () => {
    const cluster = new FakeCluster();
    let asked = 0;
    cluster.faults.set('pause pg03', () => {
      asked += 1;
      const error = new PgcmError('timed-out', 'a transaction stayed open');
      return asked === 1 ? Promise.resolve() : Promise.reject(error);
    });
    const outcome = await run(cluster);
    assert.equal(outcome.status, 4, outcome.message);
    assert.match(outcome.message, /migrate: a transaction stayed open/);
    assert.ok(!order(cluster).includes('migrate'));
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('sends no rpc to a node whose proxy is registered', async () => {
    const cluster = new FakeCluster();
    cluster.join('pg03-proxy');
    cluster.inspections.set('pg03', (found) => ({ ...found, proxy: 'pg03-proxy' }));
    assert.equal((await run(cluster)).status, 0);
    assert.ok(cluster.deeds.includes('pause pg03-proxy'));
    assert.ok(!cluster.deeds.includes('pause pg03'));
  });
});
