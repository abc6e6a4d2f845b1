import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import type { NodeInspection } from '../../src/domain/inspection.js';
import { leftovers, nothing, order, run } from '../fakes/switchover-run.js';
import { fail, FakeCluster, hang } from '../fakes/switchover.js';

/** As the primary sees its standbys when both of them are synchronous. */
function withTwoSynchronous(found: NodeInspection): NodeInspection {
  const { manager, postgres } = found;
  assert.ok(manager !== undefined && postgres !== undefined);
  const members = manager.topology.members.map((member) =>
    member.role === 'standby' ? { ...member, syncState: 'sync' as const } : member,
  );
  const senders = postgres.senders.map((sender) => ({ ...sender, syncState: 'quorum' as const }));
  return {
    ...found,
    manager: { ...manager, topology: { ...manager.topology, members } },
    postgres: { ...postgres, senders },
  };
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

  it('moves to the member of --to, where several are safe, and else to none', async () => {
    const sync = new FakeCluster();
    sync.inspections.set('pg01', withTwoSynchronous);
    const outcome = await run(sync, sync.context({ to: 'pg03' }));
    assert.equal(outcome.status, 0, outcome.message);
    assert.equal(sync.primary, 'pg03');
    assert.equal(outcome.to?.name, 'pg03');
    assert.ok(sync.deeds.includes('resume app01 10.77.0.13'), sync.deeds.join(', '));
    assert.deepEqual(leftovers(sync), nothing);

    const asynchronous = new FakeCluster();
    const refused = await run(asynchronous, asynchronous.context({ to: 'pg03' }));
    assert.equal(refused.status, 3);
    assert.match(refused.message, /pg03: it is not synchronous but async.*safe now: pg02/);
    assert.deepEqual(order(asynchronous), ['health']);
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
