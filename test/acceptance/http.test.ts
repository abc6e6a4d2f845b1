import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import { asPostgres } from '../../playground/cluster.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';

const SUPERVISE = 8_632;
const PROXY = 8_633;

/** The answers to these, in order. */
const paths = ['/primary', '/replica?lag=16MB', '/sync', '/read-only', '/healthz', '/readyz'];
const asPrimary = [200, 503, 503, 200, 200, 200];
const asSync = [503, 200, 200, 200, 200, 200];
const asAsync = [503, 200, 503, 200, 200, 200];

describe('health checks and metrics on a real cluster', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.shared('t-http');
    await hadSwitchover(cluster.playground);
  });
  after(() => cluster.down());

  async function ask(
    node: string,
    port: number,
    path: string,
  ): Promise<{ readonly status: number; readonly body: string }> {
    const url = `http://127.0.0.1:${port}${path}`;
    const { stdout } = await cluster.run(node, 'curl', '-s', '-m', '10', '-w', '%{http_code}', url);
    return { status: Number(stdout.slice(-3)), body: stdout.slice(0, -3) };
  }

  async function statuses(node: string): Promise<readonly number[]> {
    const answers = await Promise.all(paths.map((path) => ask(node, SUPERVISE, path)));
    return answers.map(({ status }) => status);
  }

  async function expect(node: string, wanted: readonly number[]): Promise<void> {
    let last: readonly number[] = [];
    const right = async (): Promise<boolean> => {
      last = await statuses(node);
      return last.join() === wanted.join();
    };
    await eventually(right, { limit: 60_000, every: 300 }).catch(() => undefined);
    assert.deepEqual(last, wanted, `${node}: ${JSON.stringify(await ask(node, SUPERVISE, '/primary'))}`);
  }

  async function expectRoles(): Promise<{ readonly primary: string; readonly third: string }> {
    const [primary, sync] = [await cluster.primary(), await cluster.sync()];
    const third = cluster.nodes.find((node) => node !== primary && node !== sync) ?? '';
    await expect(primary, asPrimary);
    await expect(sync, asSync);
    await expect(third, asAsync);
    return { primary, third };
  }

  /** The value of the first sample that begins so. */
  async function metric(node: string, port: number, sample: string): Promise<number | undefined> {
    const { body } = await ask(node, port, '/metrics');
    const line = body.split('\n').find((one) => one.startsWith(sample));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  }

  /** Those that this node has counted as done. */
  async function switchovers(node: string): Promise<number> {
    const outcomes = ['done', 'cleanup-left'].map((outcome) =>
      metric(node, SUPERVISE, `pgcm_switchovers_total{outcome="${outcome}"}`),
    );
    return (await Promise.all(outcomes)).reduce<number>((sum, count) => sum + (count ?? 0), 0);
  }

  it('each node answers as what it is, before a failover and after it', async () => {
    const { primary: old } = await expectRoles();
    for (const node of cluster.bouncers) assert.equal((await ask(node, PROXY, '/primary')).status, 200, node);
    // The first scrape is what a count begins with.
    await eventually(
      async () => (await metric(old, SUPERVISE, 'pgcm_source_age_seconds{source="moves"}')) !== undefined,
      {
        limit: 60_000,
        every: 500,
      },
    );
    const before = await metric('app01', PROXY, 'pgcm_route_applied_revision');
    const pauses = (await metric('app01', PROXY, 'pgcm_pauses_total{reason="request"}')) ?? 0;
    assert.ok(before !== undefined && before > 0);

    const switchoversBefore = await switchovers(old);
    const run = await FailoverRun.start(cluster.playground, 'client01');
    assert.ok([0, 6].includes(await run.status()), run.text);
    await cluster.heal();

    const { primary } = await expectRoles();
    assert.notEqual(primary, old);
    const proxied = await ask('app01', PROXY, '/primary');
    assert.equal(proxied.status, 200, proxied.body);
    assert.match(proxied.body, new RegExp(`leads to ${cluster.addressOf(primary)}, revision \\d+`));
    assert.ok(((await metric('app01', PROXY, 'pgcm_route_applied_revision')) ?? 0) > before);
    assert.equal(await metric('app01', PROXY, 'pgcm_pauses_total{reason="request"}'), pauses + 1);
    assert.equal(await metric('app01', PROXY, 'pgcm_pause_active{reason="request"}'), 0);
    const counted = async (): Promise<boolean> => (await switchovers(old)) === switchoversBefore + 1;
    await eventually(counted, { limit: 60_000, every: 1_000, what: 'the switchover is counted' });
    const migrate = await metric(old, SUPERVISE, 'pgcm_switchover_last_phase_seconds{phase="migrate"}');
    assert.ok(migrate !== undefined && migrate > 0);
    const calm = async (): Promise<boolean> => (await metric(old, SUPERVISE, 'pgcm_move_constraints')) === 0;
    await eventually(calm, { limit: 60_000, every: 1_000, what: 'no constraint is seen' });
  });

  it('goes on saying who is primary without etcd, and who of the daemons is well', async () => {
    const primary = await cluster.primary();
    for (const node of cluster.nodes) await cluster.service(node, 'stop', 'etcd');
    try {
      await eventually(
        async () => ((await metric(primary, SUPERVISE, 'pgcm_source_age_seconds{source="etcd"}')) ?? 0) > 3,
        {
          limit: 60_000,
          every: 500,
        },
      );
      await expect(primary, asPrimary);
      assert.equal((await ask('app01', PROXY, '/primary')).status, 200);
      assert.equal((await ask('app01', PROXY, '/healthz')).status, 200);
    } finally {
      for (const node of cluster.nodes) await cluster.service(node, 'start', 'etcd');
    }
  });

  it('a standby that falls behind is a replica only for those who bear it', async () => {
    const { primary, third } = await expectRoles();
    const sql = (node: string, text: string): Promise<string> =>
      cluster.output(node, ...asPostgres('psql', '-XAtc', text));
    await sql(third, 'select pg_wal_replay_pause()');
    try {
      await sql(primary, 'create table behind as select generate_series(1, 20000) as n');
      const status = async (path: string): Promise<number> => (await ask(third, SUPERVISE, path)).status;
      const behind = async (): Promise<boolean> => (await status('/replica?lag=100kB')) === 503;
      await eventually(behind, { limit: 30_000, every: 200, what: 'it is seen to be behind' });
      assert.match(
        (await ask(third, SUPERVISE, '/replica?lag=100kB')).body,
        /\d+ bytes behind, more than 100kB/,
      );
      assert.deepEqual([await status('/replica?lag=1GB'), await status('/replica')], [200, 200]);
    } finally {
      await sql(third, 'select pg_wal_replay_resume()');
    }
    await expect(third, asAsync);
    await sql(primary, 'drop table behind');
  });

  it('is not ready, and alive, while the PgBouncer is gone', async () => {
    await cluster.service('pg03', 'stop', 'pgbouncer');
    for (const port of [PROXY, SUPERVISE]) {
      const notReady = async (): Promise<boolean> => (await ask('pg03', port, '/readyz')).status === 503;
      await eventually(notReady, { limit: 60_000, every: 200, what: `port ${port} is not ready` });
      assert.equal((await ask('pg03', port, '/healthz')).status, 200);
    }
    assert.equal((await ask('pg03', PROXY, '/primary')).status, 503);
    await cluster.service('pg03', 'start', 'pgbouncer');
    for (const port of [PROXY, SUPERVISE]) {
      const ready = async (): Promise<boolean> => (await ask('pg03', port, '/readyz')).status === 200;
      await eventually(ready, { limit: 60_000, every: 200, what: `port ${port} is ready` });
    }
  });
});
