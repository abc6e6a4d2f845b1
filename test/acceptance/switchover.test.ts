import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RunResult } from '../../playground/exec.js';
import { history } from '../../src/records/history.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';
import { Session } from './session.js';

type HistoryReport = ReturnType<typeof history.parse>['reports'][number];

describe('pgcm failover on a real cluster', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.up('t-switchover');
  });
  after(() => cluster.down());

  const failover = (...args: string[]): Promise<FailoverRun> =>
    FailoverRun.start(cluster.playground, 'client01', ...args);

  it("the key holds the primary's address, and every bouncer leads there, the app host's too", async () => {
    const primary = cluster.addressOf(await cluster.primary());
    assert.equal(await cluster.key(), primary);
    for (const bouncer of cluster.bouncers) assert.equal(await cluster.leadsTo(bouncer), primary, bouncer);
  });

  it("the site's template with {{.Host}} renders as it is", async () => {
    const template = await cluster.output('app01', 'cat', '/etc/pgbouncer/pgbouncer.ini.template');
    const rendered = await cluster.output('app01', 'cat', '/etc/pgbouncer/pgbouncer.ini');
    assert.match(template, /host=\{\{\.Host\}\}/);
    assert.equal(rendered, template.replaceAll('{{.Host}}', await cluster.key()));
  });

  describe('a client written from the .proto alone', () => {
    const call = async (
      node: string,
      rpc: string,
      request: object = {},
    ): Promise<Record<string, unknown>> => {
      const script = '/opt/pgcm/dist/test/acceptance/raw-client.js';
      const { stdout } = await cluster.run(
        'client01',
        'node',
        script,
        `${node}:8080`,
        rpc,
        JSON.stringify(request),
      );
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    /** Whether a new statement through that bouncer is answered within half a second. */
    const runs = async (bouncer: string): Promise<boolean> => {
      const url = `host=${bouncer} port=6432 dbname=app user=app connect_timeout=5`;
      const { status } = await cluster.run('client01', 'timeout', '0.5', 'psql', '-XAtc', 'select 1', url);
      return status === 0;
    };

    it('drives health_check, pause and resume', async () => {
      assert.equal((await call('pg02', 'health_check'))['status'], 'HEALTHY');
      const paused = await call('pg02', 'pause', { timeout: 5, expiry: 60 });
      assert.ok('created_at' in paused && 'expires_at' in paused, JSON.stringify(paused));
      assert.equal(await runs('pg02'), false, 'a paused bouncer answered');
      await eventually(() => runs('pg03'), { what: 'the other bouncers run' });
      assert.ok(
        'created_at' in (await call('pg02', 'pause', { timeout: 5, expiry: 60 })),
        'pause is idempotent',
      );
      assert.ok('created_at' in (await call('pg02', 'resume')));
      await eventually(() => runs('pg02'), { what: 'a resumed bouncer answers' });
      assert.ok('created_at' in (await call('pg02', 'resume')), 'resume is idempotent');
    });

    it('defect 4: a pause outlives neither its expiry nor the proxy that keeps it', async () => {
      await call('pg02', 'pause', { timeout: 5, expiry: 2 });
      await eventually(() => runs('pg02'), { what: 'the expiry lifts the pause' });
      await call('pg02', 'pause', { timeout: 5, expiry: 3600 });
      assert.equal(await runs('pg02'), false);
      await cluster.output('pg02', 'kill', '-KILL', await cluster.pid('pg02', 'pgcm-proxy'));
      await eventually(() => runs('pg02'), {
        limit: 30_000,
        what: 'the restarted proxy lifts the pause',
      });
    });

    it('hears that a node is unhealthy, and what is', async () => {
      await cluster.service('pg03', 'stop', 'pgbouncer');
      const health = await call('pg03', 'health_check');
      await cluster.service('pg03', 'start', 'pgbouncer');
      assert.equal(health['status'], 'UNHEALTHY');
      assert.match(JSON.stringify(health['parts']), /"pgbouncer","status":"UNHEALTHY"/);
    });
  });

  describe('of a cluster whose primary was never moved', () => {
    const pgcm = (command: string, ...args: string[]): Promise<RunResult> =>
      cluster.run('client01', 'pgcm', command, '--config-file', '/etc/pgcm/config.toml', ...args);
    const reports = async (): Promise<readonly HistoryReport[]> =>
      history.parse(Buffer.from((await pgcm('history', '--json')).stdout), 'stdout').reports;
    const refusal = /no switchover that moved the primary.* at most 25s, by pause-expiry .*--force/;

    it('is refused without --force, as its dry run is, and touches nothing', async () => {
      const old = await cluster.primary();
      const timeline = await cluster.timeline(old);
      const dryRun = await pgcm('failover', '--dry-run');
      assert.equal(dryRun.status, 3, dryRun.stdout + dryRun.stderr);
      assert.match(dryRun.stdout, refusal);
      const run = await failover();
      assert.equal(await run.status(), 3, run.text);
      assert.match(run.text, refusal);
      const begun = run.lines.filter(({ event }) => event === 'step.start').map(({ step }) => step);
      assert.deepEqual(begun, ['check']);
      assert.equal(await cluster.primary(), old);
      assert.equal(await cluster.timeline(old), timeline);
      assert.deepEqual(await reports(), []);
      await cluster.assertCalm();
    });

    it('is done with --force, which is told and kept; the second one needs none', async () => {
      const first = await cluster.sync();
      const forced = await failover('--force');
      assert.equal(await forced.status(), 0, forced.text);
      assert.equal(await cluster.primary(), first);
      assert.match(forced.text, /overridden by --force: no switchover that moved the primary/);
      const [report] = await reports();
      assert.equal(report?.forced, true);
      const overridden = report.findings.filter(({ weight }) => weight === 'overridable');
      assert.ok(
        overridden.some(({ kind }) => kind === 'no-history'),
        JSON.stringify(report.findings),
      );

      await cluster.heal();
      const next = await cluster.sync();
      const second = await failover();
      assert.equal(await second.status(), 0, second.text);
      assert.equal(await cluster.primary(), next);
      assert.doesNotMatch(second.text, /no-history|overridden/);
      await cluster.heal();
      await cluster.assertCalm();
    });
  });

  describe('with a transaction left open', () => {
    let session: Session;
    before(async () => {
      session = await Session.open(cluster.playground, 'pg03');
      await session.query('create table kept (id int primary key)');
      await session.query('begin; insert into kept values (1)');
    });
    after(() => session.close());

    it('tries the pause for its time, gives up, and clients run again; the transaction commits', async () => {
      const old = await cluster.primary();
      const run = await failover('--force', '--pause-timeout', '1s');
      await run.reached('step.start', 'pause');
      const pausedAt = performance.now();
      await run.reached('step.end', 'pause');
      const paused = performance.now() - pausedAt;
      const waits = cluster.bouncers.map((bouncer) => cluster.leadsTo(bouncer));
      assert.deepEqual(
        await Promise.all(waits),
        cluster.bouncers.map(() => cluster.addressOf(old)),
      );
      assert.ok(
        performance.now() - pausedAt - paused < 1_500,
        'clients waited on after the pause was given up',
      );
      assert.equal(await run.status(), 4, run.text);
      assert.ok(paused >= 1_000 && paused < 3_000, `it tried for ${paused} ms`);
      assert.match(run.text, /transaction stayed open/);
      await session.query('commit');
      assert.equal(session.errors, '');
      assert.equal(await session.query('select count(*) from kept'), '1');
      assert.equal(await cluster.primary(), old);
      await cluster.assertCalm();
    });

    it('then moves the primary to the sync standby, and the same client connection goes on there', async () => {
      const [old, sync] = [await cluster.primary(), await cluster.sync()];
      const timeline = await cluster.timeline(old);
      const run = await failover();
      assert.equal(await run.status(), 0, run.text);
      assert.equal(await cluster.primary(), sync);
      assert.notEqual(sync, old);
      assert.ok((await cluster.timeline(sync)) > timeline);
      assert.equal(await session.query('select host(inet_server_addr())'), cluster.addressOf(sync));
      assert.equal(session.errors, '');
      await cluster.assertCalm();
    });
  });

  describe('interrupted', () => {
    before(() => cluster.heal());

    async function assertRolledBack(run: FailoverRun, old: string): Promise<void> {
      assert.equal(await run.status(), 130, run.text);
      assert.equal(await cluster.primary(), old);
      await cluster.assertCalm();
    }

    it('in the check, which a frozen supervise holds', async () => {
      const old = await cluster.primary();
      const pid = await cluster.pid('pg03', 'pgcm-supervise');
      await cluster.output('pg03', 'kill', '-STOP', pid);
      const run = await failover();
      await run.reached('step.start', 'check');
      run.interrupt();
      await run.status();
      await cluster.output('pg03', 'kill', '-CONT', pid);
      await assertRolledBack(run, old);
    });

    it('while it waits for the lock, which somebody else holds', async () => {
      const old = await cluster.primary();
      const lease = /lease (\w+) granted/.exec(await cluster.etcdctl('lease', 'grant', '60'))?.[1] ?? '';
      await cluster.etcdctl('put', `/master/${lease}`, '', `--lease=${lease}`);
      const run = await failover();
      await run.reached('step.start', 'lock');
      run.interrupt();
      await run.status();
      assert.deepEqual(await cluster.locks(), [`/master/${lease}`], 'it left its own key in the queue');
      await cluster.etcdctl('lease', 'revoke', lease);
      await assertRolledBack(run, old);
    });

    it('in the pause, which an open transaction holds', async () => {
      const old = await cluster.primary();
      const session = await Session.open(cluster.playground, 'pg01');
      await session.query('begin; insert into kept values (2)');
      const run = await failover('--force', '--pause-timeout', '20s');
      await run.reached('step.start', 'pause');
      run.interrupt();
      await assertRolledBack(run, old);
      await session.query('rollback');
      assert.equal(session.errors, '');
      session.close();
    });

    it('while the primary moves: it says so, and sees it through', async () => {
      const sync = await cluster.sync();
      const run = await failover();
      await run.reached('step.start', 'migrate');
      run.interrupt();
      assert.equal(await run.status(), 0, run.text);
      assert.ok(
        run.lines.some((line) => line.event === 'failover.interrupted'),
        run.text,
      );
      assert.equal(await cluster.primary(), sync);
      await cluster.assertCalm();
    });
  });
});
