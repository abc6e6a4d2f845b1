import assert from 'node:assert/strict';
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { hasCode } from '../../src/domain/errors.js';
import type { ControlFile, TimelineSwitch } from '../../src/domain/postgres.js';
import { readControlFile } from '../../src/postgres/control-file.js';
import { readLocalHistory, readPrimaryHistory } from '../../src/postgres/timeline-history.js';
import { eventually } from '../support/eventually.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const never = new AbortController().signal;
const timeout = 10_000;

const control = (server: PostgresServer): Promise<ControlFile> =>
  readControlFile(server.data, { binDir: '', timeout }, never);

const options = (server: PostgresServer, user = 'postgres') => ({
  socketDir: '127.0.0.1',
  port: server.port,
  user,
  database: 'postgres',
  password: undefined,
  timeout,
});

describe('what proves that an old primary did not diverge', () => {
  const servers: PostgresServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
  });

  /** A primary with a standby that streams from it. */
  const pair = async (): Promise<readonly [PostgresServer, PostgresServer]> => {
    const primary = await startPostgres();
    servers.push(primary);
    const standby = await startPostgres({ standbyOf: primary });
    servers.push(standby);
    await sql(primary, 'CREATE TABLE t (n int)');
    await eventually(async () => (await streaming(primary)) === 1);
    return [primary, standby];
  };

  /** Where the new primary left the timeline of the old one. */
  const left = async (primary: PostgresServer, timeline: number): Promise<TimelineSwitch> => {
    const { history } = await readPrimaryHistory(options(primary), never);
    return history.find((one) => one.timeline === timeline) ?? assert.fail('it did not leave it');
  };

  it('a fast stop and a promotion: the last checkpoint is before the switch', async () => {
    const [old, standby] = await pair();
    assert.equal((await control(old)).state, 'in production');
    await old.end('SIGINT');
    await standby.promote();
    const file = await control(old);
    const primary = await readPrimaryHistory(options(standby), never);
    assert.equal(file.state, 'shut down');
    assert.equal(file.timeline, 1);
    assert.equal(file.systemIdentifier, primary.systemIdentifier);
    assert.equal(primary.timeline, 2);
    assert.deepEqual(primary.history, [await left(standby, 1)]);
    assert.ok(file.checkpoint < (await left(standby, 1)).position);
    assert.deepEqual(await readLocalHistory(old.data, 1, timeout, never), []);
    assert.deepEqual(await readLocalHistory(standby.data, 2, timeout, never), primary.history);
    assert.equal(await readLocalHistory(standby.data, 3, timeout, never), undefined, 'there is no such file');
  });

  it('records that the standby never had: the last checkpoint is behind the switch', async () => {
    const [old, standby] = await pair();
    // From here on the standby receives nothing, and the old primary writes on.
    await sql(standby, "ALTER SYSTEM SET primary_conninfo = ''");
    await sql(standby, 'SELECT pg_reload_conf()');
    await eventually(async () => (await streaming(old)) === 0);
    await sql(old, 'INSERT INTO t VALUES (1)');
    await old.end('SIGINT');
    await standby.promote();
    const file = await control(old);
    assert.equal(file.state, 'shut down');
    assert.ok(file.checkpoint >= (await left(standby, 1)).position);
  });

  it('a crash: the control file says that it was running', async () => {
    const [old, standby] = await pair();
    await old.end('SIGQUIT');
    await standby.promote();
    assert.equal((await control(old)).state, 'in production');
  });

  it('a role with the one function reads the history, one without does not, and says what is missing', async () => {
    const [old, standby] = await pair();
    await sql(old, 'CREATE ROLE plain LOGIN');
    await sql(old, 'CREATE ROLE pgcm LOGIN');
    for (const statement of timelineHistoryFunction) await sql(old, statement);
    await old.end('SIGINT');
    await standby.promote();
    const expected = await readPrimaryHistory(options(standby), never);
    assert.deepEqual(await readPrimaryHistory(options(standby, 'pgcm'), never), expected);
    await assert.rejects(
      readPrimaryHistory(options(standby, 'plain'), never),
      (e) => hasCode(e, 'refused') && /pgcm\.timeline_history\(\).*docs\/install\.md/.test(e.message),
    );
  });

  it('a primary of the first timeline has no history, and a standby is not asked for one', async () => {
    const [primary, standby] = await pair();
    const { history, timeline } = await readPrimaryHistory(options(primary), never);
    assert.deepEqual([timeline, history], [1, []]);
    await assert.rejects(
      readPrimaryHistory(options(standby), never),
      (e) => hasCode(e, 'refused') && /is in recovery/.test(e.message),
    );
  });

  it('a data directory that is none, or whose control file is broken, is told as such', async () => {
    const server = await startPostgres();
    servers.push(server);
    await server.end('SIGINT');
    writeFileSync(join(server.data, 'global', 'pg_control'), Buffer.alloc(8192));
    await assert.rejects(control(server), (e) => hasCode(e, 'invalid-answer', 'unavailable'));
    rmSync(join(server.data, 'PG_VERSION'));
    await assert.rejects(
      control(server),
      (e) => hasCode(e, 'unavailable') && !e.retryable && e.message.includes('PG_VERSION'),
    );
    assert.ok(existsSync(server.data));
    chmodSync(server.data, 0o700);
    await assert.rejects(readControlFile('relative', { binDir: '', timeout }, never), (e) =>
      hasCode(e, 'usage'),
    );
  });
});

/** As docs/install.md and docker/make-seed have it. */
const timelineHistoryFunction = [
  'CREATE SCHEMA pgcm',
  `CREATE FUNCTION pgcm.timeline_history() RETURNS text
     LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
     AS $$ SELECT pg_read_file('pg_wal/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '.history',
                               0, 1000000, true) $$`,
  'REVOKE ALL ON FUNCTION pgcm.timeline_history() FROM PUBLIC',
  'GRANT USAGE ON SCHEMA pgcm TO pgcm',
  'GRANT EXECUTE ON FUNCTION pgcm.timeline_history() TO pgcm',
];

async function sql(server: PostgresServer, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = await server.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

async function streaming(server: PostgresServer): Promise<number> {
  const rows = await sql(
    server,
    "SELECT count(*)::int AS n FROM pg_stat_replication WHERE state = 'streaming'",
  );
  return Number(rows[0]?.['n']);
}
