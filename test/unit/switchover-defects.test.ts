import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { runPipeline } from '../../src/failover/pipeline.js';
import { FakeLog } from '../fakes/log.js';
import { leftovers, nothing, order, run } from '../fakes/switchover-run.js';
import { fail, FakeCluster } from '../fakes/switchover.js';

describe("the original's defects", () => {
  it('defect 1: the clean-up has its own deadlines, however long the run took and however it ended', async () => {
    const log = new FakeLog();
    const done: string[] = [];
    const undo = (name: string): object => ({
      name,
      timeout: () => 100,
      run: async (_context: object, signal: AbortSignal) => {
        await new Promise((resolve) => setTimeout(resolve, 60));
        assert.equal(signal.aborted, false, `${name} began with a spent deadline`);
        done.push(name);
      },
    });
    const ended = new AbortController();
    const result = await runPipeline(
      [
        { name: 'one', undo: undo('undo one') as never, run: () => Promise.resolve() },
        {
          name: 'two',
          undo: undo('undo two') as never,
          run: (_c, signal) => {
            ended.abort(new PgcmError('timed-out', "the command's own deadline"));
            return Promise.reject(signal.reason as Error);
          },
        },
      ],
      {},
      log,
      ended.signal,
    );
    assert.equal(result.failure?.step, 'two');
    assert.deepEqual(result.cleanupFailures, []);
    assert.deepEqual(done, ['undo two', 'undo one']);
  });

  it('defect 2: a clean-up that fails is in the exit status, and clients are resumed before the unmigrate', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('unmigrate', fail('internal', 'the CIB is read-only'));
    const outcome = await run(cluster);
    assert.equal(outcome.status, 6);
    assert.match(outcome.message, /unmigrate: .*CIB is read-only/);
    assert.ok(order(cluster).indexOf('resume') < order(cluster).indexOf('unmigrate'));
    assert.equal(cluster.locked, false, 'the later clean-ups still ran');
  });

  it('defect 5: an interrupt while it waits for the promotion is noticed, and the move is seen through', async () => {
    const cluster = new FakeCluster();
    const interrupt = new AbortController();
    cluster.onMove = () => {
      interrupt.abort(new PgcmError('aborted', 'SIGINT'));
      setTimeout(() => cluster.promote('pg02'), 50);
    };
    const outcome = await run(cluster, cluster.context(), interrupt.signal);
    const [told, ...more] = cluster.log.of(events.failoverInterrupted);
    assert.deepEqual([told?.['step'], more], ['migrate', []]);
    assert.match(told?.msg ?? '', /half-way.*second Ctrl-C/);
    assert.equal(outcome.status, 0, outcome.message);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('says what goes on when its lock is lost in the move, and of no Ctrl-C', async () => {
    const cluster = new FakeCluster();
    cluster.onMove = () => {
      cluster.lockLost.abort(new PgcmError('lock-lost', 'the lease ended'));
      setTimeout(() => cluster.promote('pg02'), 50);
    };
    await run(cluster);
    const [told, ...more] = cluster.log.of(events.failoverInterrupted);
    assert.deepEqual([told?.['step'], more], ['migrate', []]);
    assert.match(told?.msg ?? '', /half-way; without the lock the nodes refuse what is left: .*pgcm cleanup/);
    assert.doesNotMatch(told?.msg ?? '', /Ctrl-C/);
  });

  const later = { resume: 'release', unmigrate: 'unmigrate', rejoin: 'rejoin', unlock: 'unlock' };
  for (const [deed, step] of Object.entries(later)) {
    it(`says what goes on, and for how long, when it is interrupted after the move, in ${step}`, async () => {
      const cluster = new FakeCluster();
      const interrupt = new AbortController();
      cluster.faults.set(deed, () => {
        interrupt.abort(new PgcmError('aborted', 'SIGINT'));
        return new Promise((resolve) => setTimeout(resolve, 20));
      });
      const outcome = await run(cluster, cluster.context(), interrupt.signal);
      assert.equal(outcome.status, 0, outcome.message);
      const [told, ...more] = cluster.log.of(events.failoverInterrupted);
      assert.deepEqual([told?.['step'], more], [step, []]);
      assert.match(String(told?.['at_most']), /^\d+(\.\d+)?s$/);
      assert.match(told?.msg ?? '', new RegExp(`finishing \\(${step}.*second Ctrl-C.*pause-expiry`));
      assert.deepEqual(leftovers(cluster), nothing);
    });
  }

  it('defect 7: it resumes only towards the target, and only once the target itself takes writes', async () => {
    const cluster = new FakeCluster();
    const primaryAtResume: string[] = [];
    cluster.faults.set('resume', () => {
      primaryAtResume.push(cluster.primary);
      return Promise.resolve();
    });
    cluster.onMove = () => {
      // The key changes, but the target is still in recovery.
      cluster.routes.put(cluster.addressOf('pg02'));
      cluster.primary = 'nobody';
      setTimeout(() => {
        cluster.primary = 'pg02';
        cluster.timeline += 1;
      }, 60);
    };
    assert.equal((await run(cluster)).status, 0);
    assert.deepEqual(primaryAtResume, ['pg02', 'pg02', 'pg02'], 'resumed when the key changed');
    assert.deepEqual(cluster.deeds.filter((d) => d.startsWith('resume')).toSorted(), [
      'resume app01 10.77.0.12',
      'resume pg01 10.77.0.12',
      'resume pg02 10.77.0.12',
      'resume pg03 10.77.0.12',
    ]);
  });
});
