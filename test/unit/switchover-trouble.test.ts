import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { describeReport } from '../../src/failover/report.js';
import { leftovers, nothing, order, run } from '../fakes/switchover-run.js';
import { fail, FakeCluster, hang } from '../fakes/switchover.js';

describe('a switchover and what stands in its way', () => {
  const blocker = {
    pid: 4711,
    user: 'app',
    database: 'shop',
    application: '',
    address: '',
    age: 60_000,
    state: 'idle in transaction',
    query: 'SELECT 1',
  };

  it('refuses a blocker with its name, ends it when told to, and passes over it when forced', async () => {
    const cluster = new FakeCluster();
    cluster.transactions = [blocker];
    const refused = await run(cluster);
    assert.equal(refused.status, 3);
    assert.match(refused.message, /pid 4711 \(user app.*--terminate-blockers/);
    assert.equal((await run(cluster, cluster.context({ force: true }))).status, 0);
    const other = new FakeCluster();
    other.transactions = [blocker];
    assert.equal((await run(other, other.context({ terminateBlockers: 30_000 }))).status, 0);
    assert.ok(order(other).indexOf('terminate') < order(other).indexOf('pause'));
  });

  it('refuses the first switchover of a cluster, touching nothing; the second needs no force', async () => {
    const cluster = new FakeCluster();
    cluster.earlier = [];
    const refused = await run(cluster);
    assert.equal(refused.status, 3);
    assert.match(
      refused.message,
      /no switchover that moved the primary.*; --force goes on in spite of that$/,
    );
    assert.deepEqual([order(cluster), cluster.reports], [['health'], []]);
    // It may be long: it is said in the first line, and in the list of findings.
    assert.match(describeReport(refused), /\n {2}check +\d+ ms {2}failed, as said above\n/);

    const forced = await run(cluster, cluster.context({ force: true }));
    assert.equal(forced.status, 0, forced.message);
    assert.match(describeReport(forced), /\n {2}overridden by --force: no switchover /);
    const logged = cluster.log.of(events.checkFinding).map(({ msg }) => msg);
    assert.match(logged.join('\n'), /overridden by --force: no switchover /);

    cluster.onMove = () => cluster.promote('pg01');
    const second = await run(cluster);
    assert.equal(second.status, 0, second.message);
    assert.doesNotMatch(describeReport(second), /no switchover|overridden/);
  });

  it('refuses when another run has moved the primary while it waited for the lock', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('lock', () => {
      cluster.promote('pg02');
      return Promise.resolve();
    });
    // The proxies follow the route a moment later than the checks look.
    const outcome = await run(cluster, cluster.context({ force: true }));
    assert.equal(outcome.status, 3, outcome.message);
    assert.match(outcome.message, /the primary was pg01 and is pg02 now/);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('goes on without a checkpoint that fails', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('checkpoint', hang);
    const outcome = await run(cluster, cluster.context({ checkpointTimeout: 50 }));
    assert.equal(outcome.status, 0, outcome.message);
    assert.equal(cluster.log.of(events.checkpointError).length, 1);
  });

  it('stops when a node says that the lock is not ours any more', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('checkpoint', fail('lock-lost', 'another run holds it'));
    const outcome = await run(cluster);
    assert.equal(outcome.status, 4, outcome.message);
    assert.ok(!order(cluster).includes('pause'));
  });

  it('asks again while a supervise starts anew', async () => {
    const cluster = new FakeCluster();
    let times = 0;
    const down = (): Promise<void> => {
      times += 1;
      return times < 4
        ? Promise.reject(new PgcmError('unavailable', 'connection refused'))
        : Promise.resolve();
    };
    for (const deed of ['checkpoint', 'pause pg02', 'resume pg02', 'rejoin']) {
      times = 0;
      cluster.faults.set(deed, down);
    }
    assert.equal((await run(cluster)).status, 0);
  });

  it('tells what to run when the old primary is not brought back: the rest is done', async () => {
    const cluster = new FakeCluster();
    cluster.rejoined = { kind: 'refused', why: 'it has diverged', commands: ['pg_rewind x', 'start y'] };
    const outcome = await run(cluster);
    assert.equal(outcome.status, 6);
    assert.match(
      outcome.message,
      /primary is pg02.*rejoin: pg01 .*it has diverged; run: pg_rewind x && start y/,
    );
    assert.deepEqual(leftovers(cluster), nothing);
    assert.deepEqual(
      cluster.reports.map(({ status }) => status),
      [6],
    );
  });

  it('is done but for a clean-up when its report cannot be kept', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('history', fail('unavailable', 'etcd is away'));
    const outcome = await run(cluster);
    assert.equal(outcome.status, 6);
    assert.match(outcome.message, /report is not in the history/);
  });

  it('keeps a report with the time of each step and of the pause', async () => {
    const cluster = new FakeCluster();
    await run(cluster);
    const [report] = cluster.reports;
    assert.deepEqual(
      report?.steps.map(({ name }) => name),
      ['check', 'lock', 'checkpoint', 'pause', 'migrate', 'release', 'unmigrate', 'rejoin', 'unlock'],
    );
    assert.ok(report.pause > 0);
    assert.deepEqual([report.from?.name, report.to?.name], ['pg01', 'pg02']);
  });
});
