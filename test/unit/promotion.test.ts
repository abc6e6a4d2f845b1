import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from '../fakes/switchover-run.js';
import { FakeCluster, hang } from '../fakes/switchover.js';

/** The target leaves recovery at once; its route is published a little later. */
function publishedLate(cluster: FakeCluster, onPublish: () => void): void {
  cluster.onMove = () => {
    cluster.primary = 'pg02';
    cluster.timeline += 1;
    setTimeout(() => {
      onPublish();
      cluster.routes.put(cluster.addressOf('pg02'));
    }, 100);
  };
}

describe('the wait for the new primary', () => {
  it('is over with the publication when the target has said before that it takes writes', async () => {
    const cluster = new FakeCluster();
    publishedLate(cluster, () => cluster.faults.set('probe pg02', hang));
    const { status, message } = await run(cluster);
    assert.equal(status, 0, message);
  });

  it('does not hang on a question that was asked before, and never answered', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('probe pg02', hang);
    publishedLate(cluster, () => cluster.faults.delete('probe pg02'));
    const started = performance.now();
    const { status, message } = await run(cluster);
    assert.equal(status, 0, message);
    assert.ok(performance.now() - started < 1_000, 'it waited for the time-out of the first question');
  });

  it('goes on while the target takes writes on the timeline that it was to leave: clients wait', async () => {
    const cluster = new FakeCluster();
    let isNew = false;
    const resumedEarly: boolean[] = [];
    cluster.faults.set('resume', () => Promise.resolve(void resumedEarly.push(!isNew)));
    cluster.onMove = () => {
      cluster.primary = 'pg02';
      cluster.routes.put(cluster.addressOf('pg02'));
      setTimeout(() => {
        isNew = true;
        cluster.timeline += 1;
      }, 100);
    };
    const { status, message } = await run(cluster);
    assert.equal(status, 0, message);
    assert.deepEqual(resumedEarly, [false, false, false]);
  });

  it('does not take for granted what the target said long before', async () => {
    const cluster = new FakeCluster();
    const asked = (): number => cluster.deeds.filter((deed) => deed === 'probe pg02').length;
    let before = 0;
    cluster.onMove = () => {
      cluster.primary = 'pg02';
      cluster.timeline += 1;
      setTimeout(() => cluster.faults.set('probe pg02', hang), 50);
      setTimeout(() => {
        cluster.faults.delete('probe pg02');
        before = asked();
        cluster.routes.put(cluster.addressOf('pg02'));
      }, 800);
    };
    const { status, message } = await run(cluster);
    assert.equal(status, 0, message);
    assert.ok(asked() > before, 'it was not asked again');
  });
});
