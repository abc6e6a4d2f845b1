import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Client } from 'pg';
import type { LoadConfig, LoadRecord } from '../../bench/records.js';
import { eventually } from '../support/eventually.js';
import { BenchProgram } from './bench-program.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

class Load extends BenchProgram<LoadRecord> {
  constructor(config: LoadConfig) {
    super('load-main', config);
  }

  get acknowledged(): number {
    return this.records.filter(({ kind }) => kind === 'ack').length;
  }

  get complaints(): ReadonlySet<string> {
    return new Set(this.records.flatMap((record) => (record.kind === 'failure' ? [record.message] : [])));
  }
}

/** Nothing listens there. */
const deadHost = '127.0.0.9';

describe('the load of the benchmark, with clients that choose their host', () => {
  let server: PostgresServer;
  let admin: Client;
  let load: Load | undefined;

  before(async () => {
    server = await startPostgres({ addresses: ['127.0.0.1', '127.0.0.2'] });
    admin = await server.connect();
    await admin.query('create role app login');
    await admin.query('create database app owner app');
    const app = await server.connect('app');
    await app.query('create table load (id bigint primary key, client int not null)');
    await app.query('alter table load owner to app');
    await app.end();
  });
  after(async () => {
    await admin.end();
    await server.stop();
  });
  afterEach(async () => {
    await load?.stop('SIGKILL');
  });

  it('goes past a dead host, and writes nowhere while no host takes writes', async () => {
    const target = { name: 'all', host: deadHost, others: ['127.0.0.1', '127.0.0.2'] };
    const pace = { seconds: 60, rate: 100, statementTimeoutMs: 2_000 };
    load = new Load({ targets: [{ ...target, port: server.port, clients: 2 }], table: 'load', ...pace });
    const running = load;
    await eventually(() => running.acknowledged > 20);
    assert.deepEqual(running.complaints, new Set());

    await readOnly('on');
    await eventually(() => running.complaints.has('session is read-only: 127.0.0.2'));
    const before = running.acknowledged;
    await readOnly('off');
    await eventually(() => running.acknowledged > before + 20);
    assert.deepEqual(
      [...running.complaints].filter((message) => /^session|cannot execute/.test(message)),
      ['session is read-only: 127.0.0.2'],
    );
  });

  /** As of a demoted primary: its connections end, and new ones find it read-only. */
  async function readOnly(value: 'on' | 'off'): Promise<void> {
    await admin.query(`alter role app set default_transaction_read_only = ${value}`);
    await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
  }
});
