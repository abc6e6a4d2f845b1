import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RunResult } from '../../playground/exec.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';
import { Session } from './session.js';

describe('pgcm cleanup on a real cluster', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.shared('t-cleanup');
  });
  after(() => cluster.down());

  /**
   * A failover that has come so far. One that the checks refuse is begun again: on a machine that is busy
   * with other things a look at Pacemaker may take too long.
   */
  async function failoverAt(event: string, step: string | undefined, ...args: string[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const run = await FailoverRun.start(cluster.playground, 'client01', '--force', ...args);
      try {
        await run.reached(event, step);
        return;
      } catch (error) {
        if (attempt === 5 || (await run.status()) !== 3) throw error;
      }
    }
  }

  const cleanup = (...args: string[]): Promise<RunResult> =>
    cluster.playground.exec(
      'client01',
      ['pgcm', 'cleanup', '--config-file', '/etc/pgcm/config.toml', ...args],
      {
        timeoutMs: 60_000,
      },
    );

  /** The command dies without a chance to undo anything. */
  const kill = (): Promise<RunResult> => cluster.run('client01', 'pkill', '-KILL', '-f', 'main.js failover');

  const requested = (): Promise<string> =>
    cluster.etcdctl('get', '--print-value-only', '/pgcm/failover/request');

  /** Whether a new statement through that bouncer is answered soon. */
  const runs = async (bouncer: string): Promise<boolean> => {
    const url = `host=${bouncer} port=6432 dbname=app user=app connect_timeout=5`;
    const { status } = await cluster.run('client01', 'timeout', '2', 'psql', '-XAtc', 'select 1', url);
    return status === 0;
  };

  async function assertNothingLeft(): Promise<void> {
    assert.deepEqual(await cluster.locks(), [], 'the lock');
    assert.equal(await requested(), '', 'the request');
    assert.equal(await cluster.hasConstraint(), false, 'the constraint');
  }

  it('refuses while a failover is alive, names it and touches nothing; lifts the pause when it has died', async () => {
    // An open transaction keeps the pause from being complete, and so the failover in that step.
    const session = await Session.open(cluster.playground, 'pg01');
    try {
      await session.query('create table held(id int); begin; insert into held values (1)');
      await failoverAt('step.start', 'pause', '--pause-timeout', '80s', '--pause-expiry', '90s');
      await eventually(async () => !(await runs('app01')), {
        limit: 30_000,
        what: "the app host's bouncer is paused",
      });
      const refused = await cleanup();
      assert.equal(refused.status, 3, refused.stderr);
      assert.match(refused.stderr, /switchover [0-9a-f-]{36} \(on client01, pid \d+, .*is running/);
      assert.equal(await runs('app01'), false, 'the refused clean-up has resumed somebody');

      assert.equal((await kill()).status, 0);
      const { status, stdout, stderr } = await cleanup();
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, /\nNothing is left\.\n$/);
      for (const bouncer of cluster.bouncers) assert.ok(await runs(bouncer), `${bouncer} is paused`);
      await assertNothingLeft();
      await session.query('rollback');
      assert.equal(session.errors, '');
    } finally {
      session.close();
    }
  });

  it('does nothing more the second time', async () => {
    const { status, stdout, stderr } = await cleanup();
    assert.equal(status, 0, stdout + stderr);
    assert.doesNotMatch(stdout, /lock of|request of|were paused|taken back/);
    await assertNothingLeft();
  });

  it('takes back the move of a failover that died in the middle of it', async () => {
    await failoverAt('clients.pacemaker.migrate', undefined);
    assert.equal((await kill()).status, 0);
    const { status, stdout, stderr } = await cleanup();
    assert.equal(status, 0, stdout + stderr);
    await assertNothingLeft();
    await eventually(
      async () => {
        const primary = cluster.addressOf(await cluster.primary());
        for (const bouncer of cluster.bouncers)
          if ((await cluster.leadsTo(bouncer)) !== primary) return false;
        return true;
      },
      { limit: 60_000, what: 'every bouncer leads to the primary' },
    );
  });

  it('forgets a proxy that is gone for good', async () => {
    const there = await cleanup('--forget-proxy', 'app01');
    assert.equal(there.status, 6, there.stdout);
    assert.match(there.stdout, /proxy app01 is registered, so it is not forgotten/);
    await cluster.service('app01', 'stop', 'pgcm-proxy');
    const registered = (): Promise<string> => cluster.etcdctl('get', '--keys-only', '/pgcm/proxies/app01');
    await eventually(async () => (await registered()) === '', { limit: 20_000, what: 'its lease ends' });
    const gone = await cleanup('--forget-proxy', 'app01');
    assert.equal(gone.status, 0, gone.stdout + gone.stderr);
    assert.equal(await cluster.etcdctl('get', '--keys-only', '/pgcm/proxies-seen/app01'), '');
    await cluster.service('app01', 'start', 'pgcm-proxy');
    await eventually(async () => (await registered()) !== '', { limit: 60_000, what: 'it is back' });
  });
});
