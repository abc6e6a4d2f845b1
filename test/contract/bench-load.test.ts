import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Client } from 'pg';
import { lostAndDoubt } from '../../bench/measure.js';
import type { Ack, Failure, LoadConfig, LoadRecord, ProbeConfig, ProbeRecord } from '../../bench/records.js';
import { eventually } from '../support/eventually.js';
import { Writer } from '../torture/inside/writer.js';
import type { WriterRecord } from '../torture/records.js';
import { BenchProgram } from './bench-program.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

class Load extends BenchProgram<LoadRecord> {
  constructor(config: LoadConfig) {
    super('load-main', config);
  }

  get acks(): Ack[] {
    return this.records.filter((record) => record.kind === 'ack');
  }

  get failures(): Failure[] {
    return this.records.filter((record) => record.kind === 'failure');
  }

  /** Waits for this many more acknowledged statements. */
  async goesOn(count = 20): Promise<void> {
    const enough = this.acks.length + count;
    await eventually(() => this.acks.length >= enough, { what: 'more acknowledged statements' });
  }
}

describe('the load of the benchmark', () => {
  let server: PostgresServer;
  let admin: Client;
  let load: Load;

  before(async () => {
    server = await startPostgres();
    const postgres = await server.connect();
    await postgres.query('create role app login');
    await postgres.query('create database app owner app');
    await postgres.end();
    admin = await server.connect('app');
  });
  after(async () => {
    await admin.end();
    await server.stop();
  });
  beforeEach(async () => {
    await admin.query('drop table if exists load, aside');
    await admin.query('create table load (id bigint primary key, client int not null)');
    await admin.query('alter table load owner to app');
    const target = { name: 'one', host: '127.0.0.1', port: server.port };
    load = new Load({
      targets: [
        { ...target, clients: 2 },
        { ...target, clients: 1 },
      ],
      table: 'load',
      seconds: 60,
      rate: 100,
      statementTimeoutMs: 700,
    });
    await load.goesOn(1);
  });
  afterEach(async () => {
    await load.stop('SIGKILL');
  });

  async function present(): Promise<Set<number>> {
    const { rows } = await admin.query<{ id: string }>('select id from load');
    return new Set(rows.map(({ id }) => Number(id)));
  }

  it('inserts every id once, over as many clients as it was told, and says when it ran', async () => {
    await load.goesOn(60);
    assert.equal(await load.stop(), 0);
    assert.deepEqual(load.failures, []);
    const ids = load.acks.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(await present(), new Set(ids));
    assert.deepEqual(new Set(load.acks.map(({ client }) => client)), new Set([0, 1, 2]));
    const [first, last] = [load.records[0], load.records.at(-1)];
    assert.ok(first?.kind === 'started' && last?.kind === 'ended');
    assert.ok(load.acks.every(({ sent, done }) => first.at <= sent && sent <= done && done <= last.at));
  });

  it('prepares one half of the statements and not the other', async () => {
    // Only a prepared insert has its values apart from its text.
    const seen = new Set<boolean>();
    await eventually(async () => {
      const now = await admin.query<{ query: string }>(
        "select query from pg_stat_activity where usename = 'app' and query like 'insert%'",
      );
      for (const { query } of now.rows) seen.add(query.includes('$1'));
      return seen.size === 2;
    });
  });

  describe('a commit whose wait for its standby is cancelled', () => {
    const waits = async (names: string): Promise<void> => {
      await admin.query(`alter system set synchronous_standby_names = '${names}'`);
      await admin.query('select pg_reload_conf()');
    };
    /** A statement_timeout does not end that wait; to cancel it is answered as if it were done. */
    const cancelled = (): Promise<unknown> =>
      admin.query("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
    beforeEach(() => waits('FIRST 1 (nobody)'));
    afterEach(() => waits(''));

    it('is no acknowledgement to the load', async () => {
      const isWarned = ({ message }: Failure): boolean => /^canceling wait for synchronous/.test(message);
      await eventually(async () => {
        await cancelled();
        return load.failures.some(isWarned);
      });
      const warned = load.failures.filter(isWarned).flatMap(({ id }) => id ?? []);
      assert.ok(load.acks.every(({ id }) => !warned.includes(id)));
    });

    it('is none to the writers of the torture test', async () => {
      // Whether a commit waits already is up to the checkpointer, and nobody would cancel this one.
      await admin.query(`begin;
        set local synchronous_commit = local;
        drop table if exists torn;
        create table torn (id bigint primary key, client int not null, server text default 'here', timeline text default '1');
        alter table torn owner to app;
        commit`);
      const records: WriterRecord[] = [];
      const target = {
        name: 'one',
        hosts: [{ host: '127.0.0.1', port: server.port }],
        clients: 1,
        timeoutMs: 5_000,
      };
      const stop = new AbortController();
      const writer = new Writer(
        1,
        target,
        { targets: [target], table: 'torn', seconds: 60, rate: 50 },
        (record) => records.push(record),
      );
      const running = writer.run(stop.signal);
      try {
        await eventually(async () => {
          await cancelled();
          return records.some(({ kind }) => kind === 'warned');
        });
        assert.ok(
          records.every(({ kind }) => kind !== 'acknowledged'),
          JSON.stringify(records),
        );
        await waits('');
        await eventually(() => records.some(({ kind }) => kind === 'acknowledged'));
      } finally {
        stop.abort();
        await waits('');
        await running;
      }
    });
  });

  it('counts a connection that is ended as one failure, connects again, and never sends a statement twice', async () => {
    const query =
      "select count(pg_terminate_backend(pid))::int as ended from pg_stat_activity where usename = 'app'";
    const { rows } = await admin.query<{ ended: number }>(query);
    assert.equal(rows[0]?.ended, 3);
    await eventually(() => load.failures.length >= 3);
    await load.goesOn(60);
    await load.stop();
    assert.equal(load.failures.length, 3, JSON.stringify(load.failures));
    assert.ok(load.failures.every(({ during }) => during !== 'connect'));
    const failed = load.failures.flatMap(({ id }) => id ?? []);
    assert.ok(load.acks.every(({ id }) => !failed.includes(id)));
    assert.deepEqual(new Set(load.acks.slice(-30).map(({ client }) => client)), new Set([0, 1, 2]));
  });

  it('goes on over the same connection after an error of the server', async () => {
    const pids =
      "select string_agg(pid::text, ',' order by pid) as pids from pg_stat_activity where usename = 'app'";
    const before = await admin.query<{ pids: string }>(pids);
    await admin.query('alter table load rename to aside');
    await eventually(() => load.failures.length >= 3);
    await admin.query('alter table aside rename to load');
    await load.goesOn();
    assert.deepEqual((await admin.query(pids)).rows, before.rows);
    assert.match(load.failures[0]?.message ?? '', /relation "load" does not exist/);
  });

  it('gives a statement up after its time-out, and finds out that it was done all the same', async () => {
    await admin.query('begin; lock table load in exclusive mode');
    await eventually(() => load.failures.filter(({ during }) => during === 'statement').length >= 3);
    await admin.query('commit');
    await load.goesOn();
    await load.stop();
    const first = load.failures[0];
    assert.ok(first !== undefined && first.done - first.sent >= 690, JSON.stringify(first));
    await eventually(async () => {
      const { lost, doubt } = lostAndDoubt(load.acks, load.failures, await present());
      assert.deepEqual(lost, []);
      return doubt.length >= 3;
    });
  });

  it('tells a lost acknowledged write', async () => {
    await load.goesOn();
    await load.stop();
    const victim = load.acks[5]?.id;
    await admin.query('delete from load where id = $1', [victim]);
    assert.deepEqual(lostAndDoubt(load.acks, load.failures, await present()), { lost: [victim], doubt: [] });
  });
});

describe('the prober of the benchmark', () => {
  it('tells when a server takes writes, and when it is gone', async () => {
    const server = await startPostgres();
    const postgres = await server.connect();
    await postgres.query('create role app login');
    await postgres.query('create database app owner app');
    await postgres.end();
    const admin = await server.connect('app');
    await admin.query('create table probes (at timestamptz default clock_timestamp())');
    await admin.query('alter table probes owner to app');
    const prober = new BenchProgram<ProbeRecord>('prober-main', {
      host: '127.0.0.1',
      port: server.port,
      table: 'probes',
      seconds: 60,
      intervalMs: 5,
    } satisfies ProbeConfig);
    try {
      await eventually(() => prober.records.some(({ kind }) => kind === 'writable'));
      const { rows } = await admin.query<{ count: number }>('select count(*)::int from probes');
      assert.equal(rows[0]?.count, 1);
      await admin.end();
      await server.stop();
      await eventually(() => prober.records.at(-1)?.kind === 'unreachable');
      assert.equal(await prober.stop(), 0);
      const last = prober.records.at(-1);
      assert.ok(last?.kind === 'ended' && last.looks > 1 && last.longestGap > 0, JSON.stringify(last));
    } finally {
      await prober.stop('SIGKILL');
      await server.stop();
    }
  });
});
