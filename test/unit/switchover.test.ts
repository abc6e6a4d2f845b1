import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { SwitchoverReport } from '../../src/domain/switchover.js';
import { describeDryRun, dryRun } from '../../src/failover/dry-run.js';
import { runPipeline } from '../../src/failover/pipeline.js';
import { runSwitchover, switchoverSteps } from '../../src/failover/switchover.js';
import { FakeLog } from '../fakes/log.js';
import { proxyOf } from '../fakes/proxies.js';
import { fail, FakeCluster, hang } from '../fakes/switchover.js';

const never = new AbortController().signal;
const sigint = { name: 'SIGINT', status: 130 };

function run(cluster: FakeCluster, context = cluster.context(), signal = never): Promise<SwitchoverReport> {
  return runSwitchover(context, { signal, of: () => sigint });
}

/** What the clients and the next run find. */
function leftovers(cluster: FakeCluster): unknown {
  return { paused: [...cluster.paused], constraint: cluster.constraint, locked: cluster.locked };
}
const nothing = { paused: [], constraint: false, locked: false };

function order(cluster: FakeCluster): readonly string[] {
  const kinds = cluster.deeds
    .map((deed) => deed.split(' ')[0] ?? '')
    .filter((kind) => kind !== 'probe' && kind !== 'inspect');
  return kinds.filter((kind, index) => kind !== kinds[index - 1]);
}

describe('switchover', () => {
  it('checks, locks, pauses, moves, then lets clients go first of all', async () => {
    const cluster = new FakeCluster();
    const outcome = await run(cluster);
    assert.equal(outcome.status, 0, outcome.message);
    assert.deepEqual(order(cluster), [
      'health',
      'lock',
      'health',
      'checkpoint',
      'pause',
      'migrate',
      'resume',
      'unmigrate',
      'rejoin',
      'unlock',
      'history',
    ]);
    assert.equal(cluster.deeds.filter((deed) => deed.startsWith('checkpoint')).length, 2);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('touches nothing when a node is not healthy, and names it', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('health pg03', fail('unavailable', 'connection refused'));
    const outcome = await run(cluster);
    assert.equal(outcome.status, 3);
    assert.match(outcome.message, /pg03: .*connection refused.*pg03:8080/);
    assert.deepEqual(order(cluster), ['health']);
  });

  it('names the part that is ill, and what is most often behind it', async () => {
    const cluster = new FakeCluster();
    cluster.illness.set('pg01', { part: 'postgres', healthy: false, message: 'connect ENOENT' });
    const outcome = await run(cluster);
    assert.equal(outcome.status, 3);
    assert.match(outcome.message, /pg01: postgres: connect ENOENT \(.*PGSQL\.lock/);
    assert.deepEqual(order(cluster), ['health']);
  });

  it('touches nothing when somebody else holds the lock', async () => {
    const cluster = new FakeCluster();
    cluster.locked = true;
    const outcome = await run(cluster);
    assert.equal(outcome.status, 3);
    assert.deepEqual(order(cluster), ['health', 'lock']);
    assert.equal(cluster.locked, true);
  });

  it('resumes every bouncer where it leads when one cannot be paused', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('pause pg02', fail('timed-out', 'a transaction stayed open'));
    const outcome = await run(cluster);
    assert.equal(outcome.status, 4);
    assert.deepEqual(cluster.deeds.filter((d) => d.startsWith('resume')).toSorted(), [
      'resume app01 10.77.0.11',
      'resume pg01 anywhere',
      'resume pg02 anywhere',
      'resume pg03 anywhere',
    ]);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('rolls back when there is no synchronous standby', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('migrate', fail('no-sync-standby', 'none'));
    const outcome = await run(cluster);
    assert.equal(outcome.status, 4);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('asks the next node when one cannot be reached for the move', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('migrate via pg01', fail('unavailable', 'connection refused'));
    assert.equal((await run(cluster)).status, 0);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('asks no other node for the move once one has used up the time, as that one may have asked already', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('migrate via pg01', hang);
    const outcome = await run(cluster, cluster.context({ pacemakerTimeout: 50 }));
    assert.equal(outcome.status, 5, outcome.message);
    assert.deepEqual(
      cluster.deeds.filter((deed) => deed.startsWith('migrate')),
      ['migrate via pg01'],
    );
    assert.ok(cluster.deeds.some((deed) => deed.startsWith('unmigrate')));
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('takes the preference back also when a second node says no after the first one went silent', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('migrate via pg01', () => {
      // The move was asked for, and the answer got lost.
      cluster.constraint = true;
      return Promise.reject(new PgcmError('unavailable', 'connection reset'));
    });
    cluster.faults.set('migrate via pg02', fail('no-primary', 'there is no primary'));
    const outcome = await run(cluster);
    assert.equal(outcome.status, 5, outcome.message);
    assert.deepEqual(leftovers(cluster), nothing);
  });

  for (const dead of ['pg01', 'pg02']) {
    it(`takes the preference back through another node when ${dead} has died since`, async () => {
      const cluster = new FakeCluster();
      cluster.faults.set(`unmigrate via ${dead}`, hang);
      const outcome = await run(cluster, cluster.context({ pacemakerTimeout: 50 }));
      assert.equal(outcome.status, 0, outcome.message);
      assert.deepEqual(leftovers(cluster), nothing);
    });
  }

  it('does not blame somebody for holding the lock when etcd does not answer', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('lock', hang);
    const outcome = await run(cluster, cluster.context({ lockTimeout: 50 }));
    assert.equal(outcome.status, 4);
    assert.doesNotMatch(outcome.message, /somebody/);
    assert.match(outcome.message, /no lock within 50ms/);
  });

  it('lets clients go to nobody when no node takes writes after a move that failed', async () => {
    const cluster = new FakeCluster();
    cluster.onMove = () => (cluster.primary = 'nobody');
    const outcome = await run(cluster, cluster.context({ promoteTimeout: 50 }));
    assert.equal(outcome.status, 5);
    assert.match(outcome.message, /no node takes writes/);
    assert.equal(cluster.paused.size, 4);
    assert.equal(cluster.locked, false);
    assert.equal(cluster.constraint, false);
  });

  it('lets clients go on at the old primary when the move did not come about', async () => {
    const cluster = new FakeCluster();
    cluster.onMove = () => undefined;
    const outcome = await run(cluster, cluster.context({ promoteTimeout: 50 }));
    assert.equal(outcome.status, 5);
    assert.deepEqual(leftovers(cluster), nothing);
    // Not "wherever the bouncers lead": the key might name the target already.
    assert.ok(cluster.deeds.includes('resume pg01 10.77.0.11'), cluster.deeds.join(', '));
  });

  it('pauses nobody when no primary is published, and says what to look at', async () => {
    const cluster = new FakeCluster();
    cluster.routes.remove();
    const outcome = await run(cluster);
    assert.equal(outcome.status, 3);
    assert.match(outcome.message, /no primary is published in etcd.*supervise/);
    assert.ok(!order(cluster).includes('pause'));
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('says that a lock that could not be released ends by itself', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('unlock', fail('unavailable', 'etcd does not answer'));
    const outcome = await run(cluster);
    assert.equal(outcome.status, 6);
    assert.match(outcome.message, /ends by itself with its lease/);
  });

  it('stops before the move when the lock is lost', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('pause pg03', (signal) => {
      cluster.lockLost.abort(new PgcmError('lock-lost', 'the lease ended'));
      return hang(signal);
    });
    const outcome = await run(cluster);
    assert.equal(outcome.status, 4);
    assert.match(outcome.message, /lease ended/);
    assert.ok(!order(cluster).includes('migrate'));
    assert.deepEqual(leftovers(cluster), nothing);
  });

  it('waits for its place in the queue to be taken back when it is interrupted there', async () => {
    const cluster = new FakeCluster();
    const interrupt = new AbortController();
    let takenBack = false;
    cluster.faults.set('lock', async (signal) => {
      interrupt.abort(new PgcmError('aborted', 'SIGINT'));
      await new Promise((resolve) => setTimeout(resolve, 50));
      takenBack = true;
      throw signal.reason;
    });
    const outcome = await run(cluster, cluster.context(), interrupt.signal);
    assert.equal(outcome.status, 130, outcome.message);
    assert.ok(takenBack, 'it ended before');
  });

  for (const step of ['health pg02', 'lock', 'pause pg02']) {
    it(`rolls back when it is interrupted in "${step}", and exits as shells expect`, async () => {
      const cluster = new FakeCluster();
      const interrupt = new AbortController();
      cluster.faults.set(step, (signal) => {
        interrupt.abort(new PgcmError('aborted', 'SIGINT'));
        return hang(signal);
      });
      const outcome = await run(cluster, cluster.context(), interrupt.signal);
      assert.equal(outcome.status, 130, outcome.message);
      assert.deepEqual(leftovers(cluster), nothing);
    });
  }
});

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

  it('sends no rpc to a node whose proxy is registered', async () => {
    const cluster = new FakeCluster();
    cluster.join('pg03-proxy');
    cluster.inspections.set('pg03', (found) => ({ ...found, proxy: 'pg03-proxy' }));
    assert.equal((await run(cluster)).status, 0);
    assert.ok(cluster.deeds.includes('pause pg03-proxy'));
    assert.ok(!cluster.deeds.includes('pause pg03'));
  });
});

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
    assert.equal(cluster.log.of(events.failoverInterrupted).length, 1);
    assert.equal(outcome.status, 0, outcome.message);
    assert.deepEqual(leftovers(cluster), nothing);
  });

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
