import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { Client } from 'pg';
import { hasCode } from '../../src/domain/errors.js';
import type { PostgresInspection, WalSender } from '../../src/domain/inspection.js';
import { LocalPostgres } from '../../src/postgres/postgres.js';
import { eventually } from '../support/eventually.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const never = new AbortController().signal;

function connect(server: PostgresServer, user = 'pgcm'): LocalPostgres {
  const { folder: socketDir, port } = server;
  return new LocalPostgres({
    socketDir,
    port,
    user,
    database: 'postgres',
    password: undefined,
    timeout: 10_000,
  });
}

async function run(server: PostgresServer, ...statements: readonly string[]): Promise<void> {
  const client = await server.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

describe('what is to be known of PostgreSQL before a switchover', () => {
  let primary: PostgresServer;
  let standby: PostgresServer;
  let postgres: LocalPostgres;
  const clients: Client[] = [];

  const client = async (): Promise<Client> => {
    const one = await primary.connect();
    clients.push(one);
    return one;
  };

  before(async () => {
    primary = await startPostgres({ settings: { wal_receiver_status_interval: '10s' } });
    await run(
      primary,
      // As docs/install.md has it; and one that may only log in.
      'CREATE ROLE pgcm LOGIN IN ROLE pg_monitor, pg_checkpoint, pg_signal_backend',
      'CREATE ROLE plain LOGIN',
      'CREATE ROLE app LOGIN',
    );
    standby = await startPostgres({ standbyOf: primary });
    // Nothing is written for this look: the primary stays idle.
    const one = await client();
    await eventually(async () => {
      const { rows } = await one.query("SELECT FROM pg_stat_replication WHERE state = 'streaming'");
      return rows.length === 1;
    });
  });
  after(async () => {
    await standby.stop();
    await primary.stop();
  });
  beforeEach(() => {
    postgres = connect(primary);
  });
  afterEach(async () => {
    postgres.close();
    for (const one of clients.splice(0)) await one.end();
  });

  async function inspect(server: PostgresServer): Promise<PostgresInspection> {
    const one = connect(server);
    try {
      return await one.inspect(never);
    } finally {
      one.close();
    }
  }

  async function sender(): Promise<WalSender> {
    const [first, ...more] = (await postgres.inspect(never)).senders;
    assert.deepEqual(more, []);
    return first ?? assert.fail('no sender');
  }

  /** Starts a transaction, which stays open. */
  async function openTransaction(
    sql: string,
    user = 'app',
  ): Promise<{ readonly client: Client; readonly pid: number }> {
    const one = new Client({
      host: primary.folder,
      port: primary.port,
      user,
      database: 'postgres',
      application_name: 'till',
      ssl: false,
    });
    // Some are ended by the server.
    one.on('error', () => undefined);
    await one.connect();
    clients.push(one);
    const { rows } = await one.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await one.query('BEGIN');
    await one.query(sql);
    return { client: one, pid: rows[0]?.pid ?? assert.fail('no pid') };
  }

  it('a new standby of an idle primary, which has nothing to tell it, soon knows that it lacks nothing', async () => {
    const there = connect(standby);
    try {
      await eventually(async () => {
        const { receiving, lag } = await there.replication(never);
        return receiving && lag === 0;
      });
    } finally {
      there.close();
    }
  });

  it('a standby says whether it receives and how far it is behind; a primary that it does neither', async () => {
    const there = connect(standby);
    try {
      assert.deepEqual(await postgres.replication(never), { receiving: false, lag: undefined });

      await run(standby, 'SELECT pg_wal_replay_pause()');
      await run(primary, 'CREATE TABLE behind AS SELECT generate_series(1, 10000)', 'DROP TABLE behind');
      await eventually(async () => ((await there.replication(never)).lag ?? 0) > 100_000);
      await run(standby, 'SELECT pg_wal_replay_resume()');
      await eventually(async () => (await there.replication(never)).lag === 0);
    } finally {
      there.close();
      await run(standby, 'SELECT pg_wal_replay_resume()');
    }
  });

  it('without the right to see it a standby says which one it needs, and not that it receives nothing', async () => {
    const plain = connect(standby, 'plain');
    try {
      await assert.rejects(
        plain.replication(never),
        (e) => hasCode(e, 'refused') && /GRANT pg_monitor/.test(e.message),
      );
    } finally {
      plain.close();
    }
  });

  it('a primary and its standby, each from its own side', async () => {
    const here = await inspect(primary);
    const there = await inspect(standby);
    assert.match(here.systemIdentifier, /^\d{19}$/);
    assert.equal(there.systemIdentifier, here.systemIdentifier);
    assert.deepEqual([here.inRecovery, here.timeline, here.receiving], [false, 1, false]);
    assert.deepEqual([there.inRecovery, there.timeline, there.receiving], [true, 1, true]);
    assert.deepEqual(there.senders, []);
    const [one] = here.senders;
    assert.deepEqual(
      [one?.name, one?.state, one?.syncState, one?.stale],
      ['standby', 'streaming', 'async', undefined],
    );
    assert.ok((one?.lag ?? Infinity) < 1_000_000);
  });

  it('an idle standby is not stale, however seldom it speaks', async () => {
    // Its last word may be 10 s old: far longer than a record takes to be acknowledged.
    for (let i = 0; i < 3; i += 1) assert.equal((await sender()).stale, undefined);
  });

  it('a frozen standby is stale at once, and no more when it goes on', async () => {
    const receiver = await receiverPid();
    process.kill(receiver, 'SIGSTOP');
    try {
      assert.match((await sender()).stale ?? '', /has not acknowledged a record/);
    } finally {
      process.kill(receiver, 'SIGCONT');
    }
    await eventually(async () => (await sender()).stale === undefined);
  });

  async function receiverPid(): Promise<number> {
    const one = await standby.connect();
    try {
      const { rows } = await one.query<{ pid: number }>('SELECT pid FROM pg_stat_wal_receiver');
      return rows[0]?.pid ?? assert.fail('no receiver');
    } finally {
      await one.end();
    }
  }

  it("open transactions of clients, oldest first, without pgcm's own and without idle sessions", async () => {
    await client();
    await postgres.state(never);
    const first = await openTransaction(`SELECT '${'x'.repeat(500)}'`);
    const second = await openTransaction('SELECT 2');
    const { transactions } = await postgres.inspect(never);
    assert.deepEqual(
      transactions.map((t) => [t.pid, t.database, t.application, t.address, t.state]),
      [first, second].map(({ pid }) => [pid, 'postgres', 'till', '', 'idle in transaction']),
    );
    assert.equal(transactions.at(0)?.query.length, 200);
    assert.equal(transactions[1]?.query, 'SELECT 2');
    const ages = transactions.map(({ age }) => age);
    assert.ok(Math.min(...ages) >= 0 && ages[0] === Math.max(...ages), ages.join(', '));
  });

  it('ends transactions that are open for so long, says whose, and leaves the others', async () => {
    const old = await openTransaction('SELECT 1');
    await new Promise((resolve) => setTimeout(resolve, 600));
    const young = await openTransaction('SELECT 2');
    const ended = await postgres.terminate(500, never);
    assert.deepEqual(
      ended.map(({ pid, user }) => [pid, user]),
      [[old.pid, 'app']],
    );
    assert.ok((ended[0]?.age ?? 0) >= 500);
    assert.deepEqual(
      (await postgres.inspect(never)).transactions.map(({ pid }) => pid),
      [young.pid],
    );
    await assert.rejects(old.client.query('SELECT 1'));
    assert.deepEqual(await postgres.terminate(3_600_000, never), []);
  });

  it("says who may not be ended, and by which right, when it is a superuser's", async () => {
    const superusers = await openTransaction('SELECT 1', 'postgres');
    await assert.rejects(
      postgres.terminate(0, never),
      (e) =>
        hasCode(e, 'refused') &&
        e.message.includes(`pid ${superusers.pid}`) &&
        /pg_signal_backend/.test(e.message),
    );
  });

  it('a checkpoint is done when it returns, and holds up no probe', async () => {
    const checkpoints = async (): Promise<string> => {
      const { rows } = await (
        await client()
      ).query<{ at: string }>('SELECT checkpoint_lsn::text AS at FROM pg_control_checkpoint()');
      return rows[0]?.at ?? '';
    };
    const before = await checkpoints();
    const [, probe] = await Promise.all([postgres.checkpoint(never), postgres.probe(never)]);
    assert.notEqual(await checkpoints(), before);
    assert.equal(probe.takesWrites, true);
  });

  it('a checkpoint that is given up leaves no connection behind', async () => {
    const controller = new AbortController();
    const frozen = await checkpointerPid();
    process.kill(frozen, 'SIGSTOP');
    try {
      const checkpoint = postgres.checkpoint(controller.signal);
      setTimeout(() => controller.abort(), 300);
      await assert.rejects(checkpoint, (e) => hasCode(e, 'aborted'));
    } finally {
      process.kill(frozen, 'SIGCONT');
    }
    const one = await client();
    await eventually(async () => {
      const { rows } = await one.query("SELECT FROM pg_stat_activity WHERE usename = 'pgcm'");
      return rows.length === 0;
    });
  });

  async function checkpointerPid(): Promise<number> {
    const { rows } = await (
      await client()
    ).query<{ pid: number }>("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
    return rows[0]?.pid ?? assert.fail('no checkpointer');
  }

  it('knows its data directory', async () => {
    assert.equal(await postgres.dataDirectory(never), primary.data);
  });

  it('a role that lacks a right is told which one', async () => {
    const plain = connect(primary, 'plain');
    const denied = (right: RegExp) => (e: unknown) => hasCode(e, 'refused') && right.test(e.message);
    assert.equal((await plain.probe(never)).takesWrites, true);
    await assert.rejects(plain.inspect(never), denied(/GRANT pg_monitor/));
    await assert.rejects(plain.dataDirectory(never), denied(/GRANT pg_monitor/));
    await assert.rejects(plain.checkpoint(never), denied(/GRANT pg_checkpoint/));
    plain.close();
  });
});
