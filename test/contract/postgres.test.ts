import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { hasCode } from '../../src/domain/errors.js';
import { LocalPostgres } from '../../src/postgres/postgres.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const never = new AbortController().signal;

describe("a node's own PostgreSQL", () => {
  let server: PostgresServer;
  let postgres: LocalPostgres;

  const connect = (timeout: number): LocalPostgres =>
    new LocalPostgres({
      socketDir: server.folder,
      port: server.port,
      user: 'postgres',
      database: 'postgres',
      password: '',
      timeout,
    });

  before(async () => {
    server = await startPostgres();
  });
  after(() => server.stop());
  beforeEach(() => {
    postgres = connect(10_000);
  });
  afterEach(() => postgres.close());

  it('is a primary that takes writes, with its timeline', async () => {
    assert.deepEqual(await postgres.state(never), { inRecovery: false });
    assert.deepEqual(await postgres.probe(never), { inRecovery: false, timeline: 1, takesWrites: true });
  });

  it('takes no writes when it is set to read only', async () => {
    const client = await server.connect();
    await client.query('ALTER SYSTEM SET default_transaction_read_only = on');
    await client.query('SELECT pg_reload_conf()');
    try {
      let probe = await postgres.probe(never);
      // A connection hears of a reload between two questions.
      while (probe.takesWrites) probe = await postgres.probe(never);
      assert.deepEqual(probe, { inRecovery: false, timeline: 1, takesWrites: false });
    } finally {
      await client.query('SET default_transaction_read_only = off');
      await client.query('ALTER SYSTEM RESET default_transaction_read_only');
      await client.query('SELECT pg_reload_conf()');
      await client.end();
    }
  });

  it('asks over one connection, and over a new one when the server has ended it', async () => {
    const client = await server.connect();
    const connections = async (): Promise<unknown> =>
      (await client.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'pgcm'")).rows;
    try {
      await postgres.state(never);
      const first = await connections();
      await postgres.state(never);
      assert.deepEqual(await connections(), first);
      await client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgcm'",
      );
      // The question that finds the connection ended may fail; the next one is asked over a new one.
      await postgres.state(never).catch(() => undefined);
      assert.deepEqual(await postgres.state(never), { inRecovery: false });
      assert.notDeepEqual(await connections(), first);
    } finally {
      await client.end();
    }
  });

  it('a frozen server holds nobody, and answers rightly afterwards', async () => {
    const impatient = connect(200);
    await impatient.state(never);
    const backend = await backendPid();
    process.kill(backend, 'SIGSTOP');
    try {
      await assert.rejects(impatient.state(never), (error) => hasCode(error, 'timed-out'));
    } finally {
      process.kill(backend, 'SIGCONT');
    }
    assert.deepEqual(await impatient.state(never), { inRecovery: false });
    impatient.close();
  });

  /** The server's process behind the connection of pgcm. */
  async function backendPid(): Promise<number> {
    const client = await server.connect();
    try {
      const { rows } = await client.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgcm' ORDER BY backend_start DESC LIMIT 1",
      );
      return rows[0]?.pid ?? assert.fail('pgcm has no connection');
    } finally {
      await client.end();
    }
  }

  it('asks for no TLS on the unix socket, whatever the environment says to other programs', async () => {
    process.env['PGSSLMODE'] = 'require';
    try {
      assert.deepEqual(await postgres.state(never), { inRecovery: false });
    } finally {
      delete process.env['PGSSLMODE'];
    }
  });

  it('says where nobody answers', async () => {
    const nowhere = new LocalPostgres({
      socketDir: server.folder,
      port: 1,
      user: 'postgres',
      database: 'postgres',
      password: '',
      timeout: 2_000,
    });
    await assert.rejects(
      nowhere.state(never),
      (error) => hasCode(error, 'unavailable') && error.message.includes(`${server.folder}, port 1`),
    );
  });
});
