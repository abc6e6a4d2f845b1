import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import { asPostgres, missingInCluster } from '../../playground/cluster.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';

interface Record {
  readonly primary: string;
  readonly timeline: number;
  readonly counter: number;
  readonly entitled: Readonly<{ [member: string]: string }>;
}

describe("pgcm's own resource agent on a real cluster", () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.up('t-agent', { agent: 'pgcm' });
    await hadSwitchover(cluster.playground);
  });
  after(() => cluster.down());

  const record = async (): Promise<Record> =>
    JSON.parse(await cluster.etcdctl('get', '--print-value-only', '/pgcm/entitlement')) as Record;

  /** Nobody helps. */
  const whole = (): Promise<void> =>
    eventually(async () => (await missingInCluster(cluster.playground)) === undefined, {
      limit: 120_000,
      every: 200,
      what: 'a whole cluster again, by itself',
    });

  const sql = (node: string, query: string): Promise<string> =>
    cluster.output(node, ...asPostgres('psql', '-XAtc', query));

  it('entitles the primary and the standby that commits wait for', async () => {
    const primary = await cluster.primary();
    const { entitled, timeline } = await record();
    assert.deepEqual(Object.keys(entitled).sort(), [primary, await cluster.sync()].sort());
    assert.equal(timeline, await cluster.timeline(primary));
  });

  it('moves the primary to the entitled standby, and the old primary is a standby again by itself', async () => {
    const [from, to] = [await cluster.primary(), await cluster.sync()];
    await sql(from, 'CREATE TABLE kept (id int)');
    const run = await FailoverRun.start(cluster.playground, 'client01');
    assert.equal(await run.status(), 0, run.text);
    assert.equal(await cluster.primary(), to);
    await whole();
    assert.equal((await record()).primary, to);
    assert.equal(await sql(from, 'SELECT pg_is_in_recovery()'), 't');
    await cluster.assertCalm();
  });

  it('every member has a slot for every other', async () => {
    const names = async (node: string): Promise<string> =>
      sql(node, "SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots");
    for (const node of cluster.nodes) {
      const others = cluster.nodes.filter((name) => name !== node).join(',');
      // A standby makes its own when it looks after them, every half a minute.
      await eventually(async () => (await names(node)) === others, {
        limit: 60_000,
        what: `slots on ${node}`,
      });
    }
  });

  it('survives the power loss of the primary, which comes back rewound by itself', async () => {
    const lost = await cluster.primary();
    await sql(lost, 'INSERT INTO kept VALUES (1)');
    const { counter } = await record();
    await cluster.playground.kill(lost);
    const other = cluster.nodes.find((node) => node !== lost) ?? '';
    await eventually(
      async () => {
        const { primary } = await cluster.view(other);
        return primary !== undefined && primary !== lost;
      },
      { limit: 60_000, every: 200, what: 'another primary' },
    );
    await cluster.playground.start(lost);
    await whole();
    assert.ok((await record()).counter > counter);
    for (const node of cluster.nodes) assert.equal(await sql(node, 'SELECT count(*) FROM kept'), '1', node);
  });

  it('does nothing without supervise but wait: no commit is lost, and nobody changes the record', async () => {
    const [primary, sync] = [await cluster.primary(), await cluster.sync()];
    await cluster.service(primary, 'stop', 'pgcm-supervise');
    try {
      const { counter } = await record();
      await cluster.run(sync, 'pkill', '-STOP', '-f', 'postgres: walreceiver');
      const commit = 'INSERT INTO kept VALUES (2)';
      const waits = await cluster.run(primary, 'timeout', '3', ...asPostgres('psql', '-XAtc', commit));
      assert.equal(waits.status, 124, 'a commit was acknowledged without the standby');
      assert.equal((await record()).counter, counter);
    } finally {
      await cluster.run(sync, 'pkill', '-CONT', '-f', 'postgres: walreceiver');
      await cluster.service(primary, 'start', 'pgcm-supervise');
    }
    await whole();
  });

  it('promotes nobody when the record was lost, until pgcm adopt makes a new one', async () => {
    const primary = await cluster.primary();
    const others = cluster.nodes.filter((node) => node !== primary);
    await cluster.etcdctl('del', '/pgcm/entitlement');
    await cluster.output(primary, 'crm_resource', '--ban', '--resource', 'msPostgresql', '--node', primary);
    await eventually(async () => (await cluster.view(primary)).primary === undefined, {
      limit: 60_000,
      what: 'the primary to be stopped',
    });
    await cluster.output(primary, 'crm_resource', '--clear', '--resource', 'msPostgresql', '--node', primary);
    await eventually(async () => (await cluster.view(primary)).standbys.length === 3, {
      limit: 60_000,
      what: 'three standbys',
    });
    const adopt = (): Promise<{ status: number; stderr: string; stdout: string }> =>
      cluster.run(primary, 'pgcm', 'adopt', primary, '--config-file', '/etc/pgcm/config.toml');
    const refused = await adopt();
    assert.equal(refused.status, 3, `${refused.stdout}${refused.stderr}`);
    for (const node of others) await standby(node, 'on');
    await eventually(async () => (await cluster.view(primary)).standbys.length === 1, {
      limit: 60_000,
      what: 'PostgreSQL to be down on the others',
    });
    assert.equal((await cluster.view(primary)).primary, undefined, 'somebody was promoted without a record');
    const adopted = await adopt();
    assert.equal(adopted.status, 0, `${adopted.stdout}${adopted.stderr}`);
    await eventually(async () => (await cluster.view(primary)).primary === primary, {
      limit: 60_000,
      what: 'the adopted member to be promoted',
    });
    for (const node of others) await standby(node, 'off');
    await whole();
    for (const node of cluster.nodes)
      assert.match(await sql(node, 'SELECT count(*) FROM kept'), /^[12]$/, node);
  });

  async function standby(node: string, value: 'on' | 'off'): Promise<void> {
    await cluster.output(node, 'crm_attribute', '--node', node, '--name', 'standby', '--update', value);
  }
});

describe("pgcm's own resource agent without fencing", () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.up('t-agent-off', { agent: 'pgcm', fencing: 'none' });
  });
  after(() => cluster.down());

  it('a primary that is cut off acknowledges nothing, while another one is promoted', async () => {
    const lost = await cluster.primary();
    const sql = (node: string, query: string): Promise<string> =>
      cluster.output(node, ...asPostgres('psql', '-XAtc', query));
    await sql(lost, 'CREATE TABLE kept (id int)');
    await sql(lost, 'INSERT INTO kept VALUES (1)');
    await cluster.playground.cut(lost);
    const other = cluster.nodes.find((node) => node !== lost) ?? '';
    const commit = ['timeout', '8', ...asPostgres('psql', '-XAtc', 'INSERT INTO kept VALUES (2)')];
    const { status } = await cluster.run(lost, ...commit);
    assert.equal(status, 124, 'a commit did not wait on a primary that is cut off');
    await eventually(
      async () => {
        const { primary } = await cluster.view(other);
        return primary !== undefined && primary !== lost;
      },
      { limit: 120_000, every: 200, what: 'another primary' },
    );
    const next = (await cluster.view(other)).primary ?? '';
    await sql(next, 'INSERT INTO kept VALUES (3)');
    await cluster.playground.heal(lost);
    await eventually(async () => (await missingInCluster(cluster.playground)) === undefined, {
      limit: 180_000,
      every: 200,
      what: 'a whole cluster again, by itself',
    });
    for (const node of cluster.nodes)
      assert.equal(await sql(node, "SELECT string_agg(id::text, ',' ORDER BY id) FROM kept"), '1,3', node);
  });

  it('a score that Pacemaker took on a node that was cut off promotes nobody who is not entitled', async () => {
    const [primary, sync] = [await cluster.primary(), await cluster.sync()];
    const third = cluster.nodes.find((node) => node !== primary && node !== sync) ?? '';
    const score = (...args: string[]): ReturnType<Cluster['run']> =>
      cluster.run(third, 'crm_attribute', '--promotion', 'pgsql', '--lifetime', 'reboot', ...args);
    await cluster.playground.cut(third);
    await eventually(async () => !(await cluster.view(third)).quorum, {
      limit: 60_000,
      every: 200,
      what: `${third} has no quorum`,
    });
    // Nothing of Pacemaker's says that it counts there alone.
    assert.equal((await score('--update', '1000000')).status, 0);
    const isBest = async (): Promise<boolean> =>
      (await score('--query', '--quiet')).stdout.trim() === '1000000';
    await eventually(isBest, { limit: 10_000, every: 200, what: `${third} has the score by itself` });
    await cluster.playground.heal(third);
    await eventually(async () => (await missingInCluster(cluster.playground)) === undefined, {
      limit: 180_000,
      every: 200,
      what: 'a whole cluster again, by itself',
    });
    // It was the best score of the cluster: whoever is promoted by it may lack what was acknowledged.
    await eventually(async () => !(await isBest()), {
      limit: 60_000,
      every: 200,
      what: `${third} takes its score back`,
    });
    assert.ok([primary, sync].includes(await cluster.primary()), `${third} was not entitled`);
  });
});
