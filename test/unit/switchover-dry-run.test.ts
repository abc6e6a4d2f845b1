import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeDryRun, dryRun } from '../../src/failover/dry-run.js';
import { switchoverSteps } from '../../src/failover/switchover.js';
import { never, run } from '../fakes/switchover-run.js';
import { FakeCluster } from '../fakes/switchover.js';

describe('a dry run', () => {
  it('tells the steps and the expected pause, and touches nothing', async () => {
    const cluster = new FakeCluster();
    await run(cluster);
    const before = cluster.deeds.length;
    const plan = await dryRun(cluster.context(), switchoverSteps, never);
    assert.equal(plan.status, 0, JSON.stringify(plan));
    assert.deepEqual([plan.from, plan.to, plan.expected?.count], ['pg02', 'pg01', 1]);
    assert.equal(plan.steps.length, 9);
    assert.match(describeDryRun(plan), /4\. pause: .*app01.*\n.*Clients would wait about/s);
    const deeds = cluster.deeds.slice(before).map((deed) => deed.split(' ')[0]);
    assert.deepEqual([...new Set(deeds)].toSorted(), ['health', 'inspect']);
  });

  it('ends with 3 when the failover would be refused', async () => {
    const cluster = new FakeCluster();
    cluster.illness.set('pg03', { part: 'postgres', healthy: false, message: 'it is down' });
    const plan = await dryRun(cluster.context(), switchoverSteps, never);
    assert.equal(plan.status, 3);
    assert.match(describeDryRun(plan), /would be refused:\n {2}forbids: pg03: postgres: it is down/);
  });
});
