import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ManagerInspection } from '../../src/domain/inspection.js';
import { eventually } from '../support/eventually.js';
import { asPostgres } from '../../playground/cluster.js';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import { Load } from '../faults/load.js';
import { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';

/** What pacemaker-call prints. */
interface Answer<T> {
  readonly value?: T;
  readonly code?: string;
  readonly error?: string;
  readonly ms: number;
}

const first = '3e0ab1de-7d4c-4e4f-8e0b-000000000001';
const second = '3e0ab1de-7d4c-4e4f-8e0b-000000000002';

describe("Pacemaker with the stock agent, through the adapter of a node and pgcm's command", () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.up('t-pacemaker', { agent: 'stock' });
    // It would take back these moves, as no switchover holds the lock.
    for (const node of cluster.nodes) await cluster.service(node, 'stop', 'pgcm-supervise');
  });
  after(() => cluster.down());

  const call = async <T>(node: string, method: string, ...args: readonly string[]): Promise<Answer<T>> => {
    const script = '/opt/pgcm/dist/test/acceptance/pacemaker-call.js';
    return JSON.parse(await cluster.output(node, 'node', script, method, ...args)) as Answer<T>;
  };
  const kinds = async (): Promise<readonly string[]> => {
    const { value, error } = await call<ManagerInspection>('pg01', 'inspect');
    return value?.obstacles.map(({ kind }) => kind) ?? assert.fail(error);
  };
  const calm = (): Promise<void> =>
    eventually(async () => (await kinds()).length === 0, {
      limit: 60_000,
      every: 200,
      what: 'Pacemaker has nothing against a move',
    });
  const constraints = (node: string): Promise<string> =>
    cluster.output(node, 'cibadmin', '--query', '--scope', 'constraints');
  const streams = async (node: string): Promise<boolean> => {
    const sql = "select 1 from pg_stat_wal_receiver where status = 'streaming'";
    const { stdout } = await cluster.run(node, ...asPostgres('psql', '-XAtc', sql));
    return stdout.trim() === '1';
  };

  it('finds nothing in the way of a move in a healthy cluster, and knows the data directory', async () => {
    await calm();
    assert.equal((await call('pg02', 'dataDirectory')).value, '/var/lib/postgresql/15/main');
    assert.deepEqual((await call('pg02', 'moves')).value, []);
  });

  it("moves are taken back by their id, from any node; an operator's constraints stay", async () => {
    const primary = await cluster.primary();
    const ban = '<rsc_location id="cli-ban-x" rsc="msPostgresql" node="pg09" score="-INFINITY"/>';
    await cluster.output('pg01', 'cibadmin', '--create', '--scope', 'constraints', '--xml-text', ban);
    // To where it is already: nothing moves.
    for (const id of [first, second])
      assert.equal((await call('pg01', 'move', primary, id)).error, undefined);
    await eventually(async () => (await call<string[]>('pg03', 'moves')).value?.length === 2);
    assert.deepEqual((await call('pg03', 'cancelMove', first)).value, [first]);
    await eventually(async () => !(await constraints('pg02')).includes(first));
    assert.deepEqual((await call('pg02', 'cancelMove', '-')).value, [second]);
    assert.deepEqual((await call('pg01', 'cancelMove', '-')).value, []);
    assert.match(await constraints('pg02'), /cli-ban-x/);
    assert.deepEqual(await kinds(), ['ban']);
    await cluster.output('pg01', 'cibadmin', '--delete', '--xml-text', '<rsc_location id="cli-ban-x"/>');
    await calm();
  });

  it("sees maintenance mode and an operator's preference", async () => {
    await cluster.output('pg01', 'crm_attribute', '--name', 'maintenance-mode', '--update', 'true');
    await eventually(async () => (await kinds()).includes('maintenance'), { every: 100 });
    await cluster.output('pg01', 'crm_attribute', '--name', 'maintenance-mode', '--delete');
    await calm();
    const primary = await cluster.primary();
    const move = ['--resource', 'msPostgresql', '--move', '--promoted', '--lifetime', 'PT10M'];
    // crm_resource refuses to move to where it is.
    const other = await cluster.sync();
    await cluster.output('pg01', 'crm_attribute', '--name', 'maintenance-mode', '--update', 'true');
    await cluster.output('pg01', 'crm_resource', ...move, '--node', other);
    assert.ok((await kinds()).includes('preference'));
    await cluster.output('pg01', 'crm_resource', '--resource', 'msPostgresql', '--clear');
    await cluster.output('pg01', 'crm_attribute', '--name', 'maintenance-mode', '--delete');
    await calm();
    assert.equal(await cluster.primary(), primary);
  });

  it('moves the primary, and readmits the old one as a standby that streams', async () => {
    const old = await cluster.primary();
    const target = await cluster.sync();
    assert.equal((await call(old, 'readmit')).code, 'refused', 'it is the primary');
    const { error } = await call('pg01', 'move', target, first);
    assert.equal(error, undefined);
    const takesWrites = async (): Promise<boolean> => {
      const sql = 'select pg_is_in_recovery()';
      return (await cluster.run(target, ...asPostgres('psql', '-XAtc', sql))).stdout.trim() === 'f';
    };
    await eventually(takesWrites, { limit: 60_000, every: 50 });

    // The agent keeps the demoted one down, which Pacemaker takes for a failure, some time after the promotion.
    assert.deepEqual((await call('pg01', 'readmitCommands', old)).value, [
      'rm -f /var/lib/postgresql/tmp/PGSQL.lock',
      `crm_resource --cleanup --resource msPostgresql --node ${old}`,
    ]);
    // Whoever readmits too early would have to do it again: the adapter waits for the moment.
    const readmitted = await call(old, 'readmit');
    assert.equal(readmitted.error, undefined);
    await eventually(() => streams(old), { limit: 60_000, every: 100, what: `${old} streams again` });
    assert.deepEqual((await call(old, 'cancelMove', first)).value, [first]);
    await calm();
    assert.equal(await cluster.primary(), target);
    assert.equal((await call(old, 'readmit')).error, undefined, 'a standby is readmitted already');
  });

  it('pgcm failover moves it without an error for any client, and the old one is a standby again', async () => {
    for (const node of cluster.nodes) await cluster.service(node, 'start', 'pgcm-supervise');
    await hadSwitchover(cluster.playground);
    await cluster.heal();
    const [old, target] = [await cluster.primary(), await cluster.sync()];
    const load = await Load.start(cluster, 'moved_by_the_stock_agent');
    try {
      await load.untilAllRun(30_000);
      // Of the agent's many programs each takes its time where they start slowly.
      const patience = ['--pause-expiry', '80s', '--rejoin-timeout', '180s'];
      const run = await FailoverRun.start(cluster.playground, 'client01', ...patience);
      assert.equal(await run.status(300_000), 0, run.text);
      await load.untilAllRun(30_000);
      await load.stop();
      assert.deepEqual(load.failures(), []);
      assert.deepEqual(await load.lost(), []);
    } finally {
      load.kill();
    }
    assert.equal(await cluster.primary(), target);
    await eventually(() => streams(old), { limit: 60_000, every: 100, what: `${old} streams again` });
    await cluster.assertCalm();
  });
});
