import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client } from 'pg';
import type { BouncerPool } from '../../src/domain/bouncer.js';
import { hasCode, type ErrorCode } from '../../src/domain/errors.js';
import { PgBouncer } from '../../src/pgbouncer/console.js';
import { eventually } from '../support/eventually.js';
import { startPgBouncer, type PgBouncerServer } from './pgbouncer-server.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);

function rejectsWith(work: Promise<unknown>, code: ErrorCode, text: RegExp): Promise<void> {
  return assert.rejects(work, (error) => {
    assert.ok(hasCode(error, code), String(error));
    assert.match(error.message, text);
    return true;
  });
}

describe("PgBouncer's console", () => {
  let postgres: PostgresServer;
  let server: PgBouncerServer;
  let bouncer: PgBouncer;

  const app = (host: string): string => `app = host=${host} port=${postgres.port} dbname=postgres`;
  /** Our adapter to the same PgBouncer, configured differently. */
  const as = (options: Partial<ConstructorParameters<typeof PgBouncer>[0]>): PgBouncer =>
    new PgBouncer({
      socketDir: server.folder,
      port: server.port,
      user: 'pgbouncer',
      password: '',
      database: 'pgbouncer',
      timeout: 10_000,
      ...options,
    });

  before(async () => {
    postgres = await startPostgres({ addresses: ['127.0.0.1', '127.0.0.2'] });
    server = await startPgBouncer({
      databases: app('127.0.0.1'),
      settings: 'stats_users = visitor\nserver_login_retry = 0.1',
    });
    bouncer = server.bouncer;
  });
  after(async () => {
    await server.stop();
    await postgres.stop();
  });

  it('leads a client to another host without ending its connection', async () => {
    const client = await server.connect('app');
    const where = async (): Promise<unknown> =>
      (await client.query<{ host: string }>('SELECT host(inet_server_addr()) AS host')).rows[0]?.host;
    assert.equal(await where(), '127.0.0.1');
    await bouncer.pause('all', soon());
    server.writeDatabases(app('127.0.0.2'));
    const waiting = where();
    await bouncer.reload(soon());
    await bouncer.resume(soon());
    assert.equal(await waiting, '127.0.0.2');
    await client.end();
    server.writeDatabases(app('127.0.0.1'));
    await bouncer.reload(soon());
  });

  it('gives a pause up for an open transaction, which then commits, and clients run at once', async () => {
    const writer = await server.connect('app');
    const other = await server.connect('app');
    await writer.query('CREATE TABLE kept (id int)');
    await writer.query('BEGIN');
    await writer.query('INSERT INTO kept VALUES (1)');
    await rejectsWith(bouncer.pause('all', AbortSignal.timeout(100)), 'aborted', /PAUSE: interrupted/);
    assert.match(server.log(), /PAUSE command issued[^]*RESUME command issued/);
    await other.query('SELECT 1');
    await writer.query('COMMIT');
    assert.equal((await other.query('SELECT * FROM kept')).rowCount, 1);
    assert.equal(await bouncer.resume(soon()), 'was-not-paused');
    await writer.end();
    await other.end();
  });

  it('waits for transactions also when an earlier PAUSE that nobody waits for is still on', async () => {
    const writer = await server.connect('app');
    await writer.query('BEGIN');
    await writer.query('SELECT 1');
    const left = new Client({
      host: server.folder,
      port: server.port,
      user: 'pgbouncer',
      database: 'pgbouncer',
    });
    left.on('error', () => undefined);
    await left.connect();
    left.query('PAUSE').catch(() => undefined);
    // Its answer says that the PAUSE before it has been read.
    await assert.rejects(server.console('PAUSE'), /already suspended/);
    let done = false;
    const pause = bouncer.pause('all', soon()).then(() => (done = true));
    for (let look = 0; look < 5; look += 1) {
      await bouncer.databases(soon());
      assert.equal(done, false);
    }
    await writer.query('COMMIT');
    await pause;
    assert.equal(await bouncer.resume(soon()), 'resumed');
    await left.end();
    await writer.end();
  });

  it('defect 6: closes every connection, also those of commands that fail', async () => {
    const consoleConnections = async (): Promise<number> =>
      (await server.console('SHOW CLIENTS')).filter(({ database }) => database === 'pgbouncer').length;
    // The connection that asks is one of them; the one that is kept for the next command goes after a while.
    await eventually(async () => (await consoleConnections()) === 1);
    const writer = await server.connect('app');
    await writer.query('BEGIN');
    for (let round = 0; round < 5; round += 1) {
      await bouncer.databases(soon());
      await bouncer.setting('server_login_retry', soon());
      await bouncer.set('server_login_retry', '0.1', soon());
      await bouncer.reload(soon());
      await bouncer.resume(soon());
      await assert.rejects(bouncer.pause('all', AbortSignal.timeout(20)));
      await assert.rejects(bouncer.set('no_such_setting', '1', soon()));
      await assert.rejects(as({ user: 'visitor' }).reload(soon()));
      await assert.rejects(as({ user: 'nobody' }).reload(soon()));
    }
    await writer.query('COMMIT');
    await writer.end();
    // Those that were destroyed end when PgBouncer reads their end of file.
    await eventually(async () => (await consoleConnections()) === 1);
  });

  it('defect 6: closes what hung in a frozen PgBouncer', async () => {
    const impatient = as({ timeout: 50 });
    server.signal('SIGSTOP');
    await rejectsWith(impatient.databases(soon()), 'timed-out', /SHOW DATABASES.*: no answer within 50ms/);
    await rejectsWith(
      impatient.pause('all', soon()),
      'timed-out',
      /PAUSE: connecting: no answer within 50ms/,
    );
    server.signal('SIGCONT');
    await eventually(
      async () =>
        (await server.console('SHOW CLIENTS')).filter(({ database }) => database === 'pgbouncer').length ===
        1,
    );
    assert.equal(await bouncer.resume(soon()), 'was-not-paused');
  });

  it('tells who waits under a pause, and for how long, and the pool modes', async () => {
    const client = await server.connect('app');
    await client.query('SELECT 1');
    const pool = async (): Promise<BouncerPool | undefined> =>
      (await bouncer.pools(soon())).find(({ database }) => database === 'app');
    assert.deepEqual(
      { ...(await pool()), longestWait: 0 },
      {
        ...{ database: 'app', user: 'postgres', poolMode: 'transaction' },
        ...{ clientsWaiting: 0, longestWait: 0, servers: 1 },
      },
    );
    await bouncer.pause(['app'], soon());
    const begun = performance.now();
    const waiting = client.query('SELECT 1');
    await eventually(async () => ((await pool())?.longestWait ?? 0) > 300);
    const seen = await pool();
    assert.ok(seen?.clientsWaiting === 1);
    // PgBouncer's clock is that of its last turn.
    assert.ok(seen.longestWait <= performance.now() - begun + 50, String(seen.longestWait));
    await bouncer.resume(soon());
    await waiting;
    await client.end();
  });

  it('pauses single databases, whatever their names, and leaves the clients of others alone', async () => {
    const other = `Other-2 = host=127.0.0.1 port=${postgres.port} dbname=postgres pool_mode=session`;
    server.writeDatabases(`${app('127.0.0.1')}\n${other}`);
    await bouncer.reload(soon());
    const [held, free] = [await server.connect('app'), await server.connect('Other-2')];
    await bouncer.pause(['app'], soon());
    const waiting = held.query('SELECT 1');
    assert.equal((await free.query('SELECT 1')).rowCount, 1);
    await bouncer.resume(soon());
    await waiting;
    await free.end();
    await bouncer.pause(['app', 'Other-2'], soon());
    assert.deepEqual(
      (await bouncer.databases(soon())).map(({ name, paused, poolMode }) => [name, paused, poolMode]).sort(),
      [
        ['Other-2', true, 'session'],
        ['app', true, undefined],
      ],
    );
    assert.equal(await bouncer.resume(soon()), 'resumed');
    assert.ok((await bouncer.databases(soon())).every(({ paused }) => !paused));
    await held.end();
    server.writeDatabases(app('127.0.0.1'));
    await bouncer.reload(soon());
  });

  it('says who is not let in, and what to change', async () => {
    await rejectsWith(
      as({ user: 'visitor' }).reload(soon()),
      'refused',
      /RELOAD: admin access needed; put visitor into admin_users/,
    );
    await rejectsWith(as({ user: 'nobody' }).reload(soon()), 'refused', /check pgbouncer-user \(nobody\)/);
    await rejectsWith(bouncer.set('no_such_setting', '1', soon()), 'refused', /no_such_setting/);
  });

  it('logs in with a password', async () => {
    for (const method of ['md5', 'scram-sha-256']) {
      const locked = await startPgBouncer({
        databases: app('127.0.0.1'),
        settings: `auth_type = ${method}`,
        password: 'secret',
      });
      const { folder: socketDir, port } = locked;
      assert.equal((await locked.bouncer.databases(soon())).length, 1);
      await rejectsWith(as({ socketDir, port, password: 'wrong' }).databases(soon()), 'refused', /password/);
      await rejectsWith(as({ socketDir, port, password: '' }).databases(soon()), 'refused', /password/);
      await locked.stop();
    }
  });

  it('says which socket it tried when nothing is there, or something else', async () => {
    await rejectsWith(
      as({ port: 1 }).databases(soon()),
      'unavailable',
      /PgBouncer at .*\.s\.PGSQL\.1: SHOW DATABASES: .*ENOENT.*is it running, with unix_socket_dir = .* and listen_port = 1\?/,
    );
    const wrong = as({
      socketDir: postgres.folder,
      port: postgres.port,
      user: 'postgres',
      database: 'postgres',
    });
    await rejectsWith(wrong.databases(soon()), 'unavailable', /SHOW DATABASES: unrecognized configuration/);
  });
});
