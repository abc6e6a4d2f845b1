import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeDryRun, dryRun } from '../../src/failover/dry-run.js';
import { switchoverSteps } from '../../src/failover/switchover.js';
import { reportOf } from '../fakes/history.js';
import { never, run } from '../fakes/switchover-run.js';
import { FakeCluster } from '../fakes/switchover.js';

describe('a dry run', () => {
  it('tells the steps and the expected pause, and touches nothing', async () => {
    const cluster = new FakeCluster();
    await run(cluster);
    const before = cluster.deeds.length;
    const plan = await dryRun(cluster.context(), switchoverSteps, never);
    assert.equal(plan.status, 0, JSON.stringify(plan));
    assert.deepEqual([plan.from, plan.to, plan.expected?.count], ['pg02', 'pg01', 2]);
    assert.equal(plan.steps.length, 9);
    assert.match(describeDryRun(plan), /4\. pause: .*app01.*\n.*Clients would wait about/s);
    const deeds = cluster.deeds.slice(before).map((deed) => deed.split(' ')[0]);
    assert.deepEqual([...new Set(deeds)].toSorted(), ['health', 'inspect']);
  });

  it('refuses the first switchover of a cluster with the way out; forced, it tells what is overridden', async () => {
    const cluster = new FakeCluster();
    cluster.earlier = [];
    const plan = await dryRun(cluster.context(), switchoverSteps, never);
    assert.deepEqual(
      [plan.status, plan.refusals.map(({ kind }) => kind), plan.expected],
      [3, ['no-history'], undefined],
    );
    assert.match(
      describeDryRun(plan),
      /would be refused:\n {2}overridable: no switchover .*at most 5s, by pause-expiry .*--force.*other ones first\)\n.*not known\.\n$/,
    );
    const forced = await dryRun(cluster.context({ force: true }), switchoverSteps, never);
    assert.deepEqual([forced.status, forced.refusals, forced.steps.length], [0, [], 9]);
    assert.match(describeDryRun(forced), /Worth knowing:\n {2}overridden by --force: no switchover /);
  });

  it('is refused for an unknown pause exactly when it tells none', async () => {
    const cluster = new FakeCluster();
    const aborted = reportOf('rolled-back', { status: 4, steps: [{ name: 'pause', ms: 1, error: 'open' }] });
    for (const earlier of [[], [aborted], [reportOf('a')], [aborted, reportOf('b', { status: 6 })]]) {
      cluster.earlier = earlier;
      const { expected, refusals } = await dryRun(cluster.context(), switchoverSteps, never);
      assert.equal(refusals.length === 0, expected !== undefined, JSON.stringify({ expected, refusals }));
    }
  });

  it('ends with 3 when the failover would be refused', async () => {
    const cluster = new FakeCluster();
    cluster.illness.set('pg03', { part: 'postgres', healthy: false, message: 'it is down' });
    const plan = await dryRun(cluster.context(), switchoverSteps, never);
    assert.equal(plan.status, 3);
    assert.match(describeDryRun(plan), /would be refused:\n {2}forbids: pg03: postgres: it is down/);
  });
});
