import assert from 'node:assert/strict';
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';
import { serverFolder, serverIdentity, ServerProcess } from './server-process.js';

/** Debian's server programs; pg_receivewal --synchronous is a walsender's other end, as a standby is. */
const receiver = '/usr/lib/postgresql/15/bin/pg_receivewal';

/** What docs/decisions/0014 rests on, and test/model/synchronous.ts has as PostgreSQL's own. */
describe('FIRST n (names) counts walsenders', () => {
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const start = async () => {
    const server = await startPostgres({ settings: { wal_sender_timeout: '0' } });
    cleanups.push(() => server.stop());
    const client = await server.connect();
    cleanups.push(() => client.end());
    await client.query('CREATE TABLE t (n int)');
    return { server, client };
  };

  /** One more walsender to the standby `name`. */
  const stream = async ({ server, client }: { server: PostgresServer; client: Client }, name: string) => {
    const before = await walsenders(client);
    receive(server, name);
    await eventually(async () => (await walsenders(client)).length > before.length);
  };

  const receive = (server: PostgresServer, name: string, ...args: string[]): ServerProcess => {
    const folder = serverFolder('wal');
    const target = join(folder.path, name);
    mkdirSync(target);
    const identity = serverIdentity();
    if (identity !== undefined) chownSync(target, identity.uid, identity.gid);
    const source = `host=${server.folder} port=${server.port} user=postgres application_name=${name}`;
    const received = new ServerProcess(receiver, ['-d', source, '-D', target, '--synchronous', ...args]);
    cleanups.push(async () => {
      await received.end('SIGKILL');
      folder.remove();
    });
    return received;
  };

  it('a standby that is there twice counts twice: a commit does not wait for the other name', async () => {
    const cluster = await start();
    await stream(cluster, 'b');
    await setNames(cluster.client, 'FIRST 2 (b, c)');
    assert.equal(await commit(cluster.server), 'waits');
    await stream(cluster, 'b');
    assert.equal(await commit(cluster.server), 'acknowledged');
  });

  it('so a name that nobody has is no barrier, and a count that nobody reaches is one', async () => {
    const cluster = await start();
    await stream(cluster, 'b');
    await stream(cluster, 'b');
    await setNames(cluster.client, 'FIRST 2 (b, barrier)');
    assert.equal(await commit(cluster.server), 'acknowledged');
    await setNames(cluster.client, 'FIRST 1000 (b)');
    assert.equal(await commit(cluster.server), 'waits');
  });

  it('a slot has one walsender at a time', async () => {
    const cluster = await start();
    await cluster.client.query(`SELECT pg_create_physical_replication_slot('b')`);
    receive(cluster.server, 'b', '--slot', 'b');
    await eventually(async () => (await walsenders(cluster.client)).length === 1);
    const second = receive(cluster.server, 'b', '--slot', 'b', '--no-loop');
    await eventually(() => !second.running);
    assert.match(second.output, /replication slot "b" is active/);
  });

  it('sync_priority moves with names before it: it tells which list a walsender follows', async () => {
    const cluster = await start();
    await stream(cluster, 'b');
    await setNames(cluster.client, 'FIRST 1 (b)');
    await eventually(async () => (await walsenders(cluster.client))[0] === 1);
    await setNames(cluster.client, 'FIRST 1000 (x, x, x, b)');
    await eventually(async () => (await walsenders(cluster.client))[0] === 4);
  });
});

/** The sync_priority of each. */
async function walsenders(client: Client): Promise<readonly number[]> {
  const { rows } = await client.query<{ sync_priority: number }>(
    `SELECT sync_priority FROM pg_stat_replication WHERE state = 'streaming'`,
  );
  return rows.map(({ sync_priority }) => sync_priority);
}

async function setNames(client: Client, names: string): Promise<void> {
  await client.query(`SET synchronous_commit = local`);
  await client.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
  await client.query('SELECT pg_reload_conf()');
  await eventually(async () => {
    const { rows } = await client.query<{ now: string }>(
      `SELECT current_setting('synchronous_standby_names') AS now`,
    );
    return rows[0]?.now === names;
  });
}

/** Whether a commit is acknowledged or, after half a second, waits for a standby. It is cancelled then. */
async function commit(server: PostgresServer): Promise<'acknowledged' | 'waits'> {
  const [writer, watcher] = [await server.connect(), await server.connect()];
  try {
    const { rows } = await writer.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const pid = rows[0]?.pid;
    const answered = new AbortController();
    const done = writer.query('INSERT INTO t VALUES (1)').then(() => answered.abort());
    const since = performance.now();
    await eventually(
      async () => answered.signal.aborted || (performance.now() - since > 500 && (await waits(watcher, pid))),
    );
    const outcome = answered.signal.aborted ? 'acknowledged' : 'waits';
    await watcher.query('SELECT pg_cancel_backend($1)', [pid]);
    await done;
    return outcome;
  } finally {
    await writer.end();
    await watcher.end();
  }
}

async function waits(watcher: Client, pid: number | undefined): Promise<boolean> {
  const { rows } = await watcher.query<{ wait_event: string | null }>(
    'SELECT wait_event FROM pg_stat_activity WHERE pid = $1',
    [pid],
  );
  return rows[0]?.wait_event === 'SyncRep';
}
