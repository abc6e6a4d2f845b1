import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Client } from 'pg';
import { parseAddress } from '../../src/domain/address.js';
import type { Entitlement } from '../../src/domain/entitlement.js';
import { events } from '../../src/domain/events.js';
import { listOf } from '../../src/domain/synchronous-names.js';
import { formatPosition, parsePosition } from '../../src/domain/wal-position.js';
import { EtcdEntitlementStore } from '../../src/etcd/entitlement-store.js';
import { PostgresReplication } from '../../src/postgres/replication.js';
import { ReplicationManager } from '../../src/supervise/replication-manager.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';
import { receiveWal, type WalReceiver } from './wal-receiver.js';

const KEY = '/pgcm/entitlement';

describe('the replication manager, on real servers', () => {
  let servers: EtcdServers;
  let primary: PostgresServer;
  let client: Client;
  let store: EtcdEntitlementStore;
  let log: FakeLog;
  let cleanups: (() => Promise<unknown>)[];

  before(async () => {
    servers = await EtcdServers.start();
  });
  after(() => servers.stop());

  beforeEach(async () => {
    cleanups = [];
    log = new FakeLog();
    primary = await startPostgres({
      settings: {
        wal_receiver_status_interval: '1s',
        wal_sender_timeout: '5s',
        checkpoint_completion_target: '0.9',
      },
    });
    cleanups.push(() => primary.stop());
    client = await primary.connect();
    cleanups.push(() => client.end());
    await client.query('CREATE TABLE t (n int)');
    store = new EtcdEntitlementStore(connect(servers), { pollInterval: 60_000, getTimeout: 3_000 }, log);
  });
  afterEach(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
    closeClients();
    await servers.etcdctl(['del', KEY]);
  });

  const manage = ({ wanted = 1, strict = false, user = 'postgres' } = {}): (() => Promise<void>) => {
    const stop = new AbortController();
    const manager = new ReplicationManager({
      store: new EtcdEntitlementStore(connect(servers), { pollInterval: 60_000, getTimeout: 3_000 }, log),
      replication: new PostgresReplication({
        ...{ socketDir: primary.folder, port: primary.port, user, database: 'postgres' },
        ...{ password: '', timeout: 2_000 },
      }),
      role: { timeline: 1, now: () => undefined },
      seen: () => Promise.resolve(undefined),
      localName: () => Promise.resolve('pg01'),
      addressOf: (member) => (/^pg0\d$/.test(member) ? parseAddress('127.0.0.1') : undefined),
      ...{ wanted, strict, log },
    });
    const running = manager.run(stop.signal);
    const end = async (): Promise<void> => {
      stop.abort();
      await running;
    };
    cleanups.push(end);
    return end;
  };

  const confirm = async (parts: Partial<Entitlement> = {}): Promise<void> => {
    const { rows } = await client.query<{ system: string }>(
      'SELECT system_identifier::text AS system FROM pg_control_system()',
    );
    const record: Entitlement = {
      ...{ system: rows[0]?.system ?? '', counter: 1, primary: 'pg01', timeline: 1, claim: undefined },
      ...{ entitled: new Map([['pg01', 0x1000000n]]), highest: 1 },
      ...parts,
    };
    assert.equal((await store.write(record, 0n, forever)).kind, 'made');
  };

  const record = async (): Promise<Entitlement> => {
    const reading = await store.read(forever);
    assert.ok(reading.kind === 'record');
    return reading.record;
  };

  const standby = async (name: string, slot?: string, statusInterval?: number): Promise<WalReceiver> => {
    const receiver = await receiveWal(primary, name, { slot, statusInterval });
    cleanups.push(() => receiver.end());
    return receiver;
  };

  const names = async (): Promise<string | undefined> => {
    const { rows } = await client.query<{ names: string }>(
      `SELECT current_setting('synchronous_standby_names') AS names`,
    );
    return rows[0]?.names;
  };

  const entitles = (...members: readonly string[]): Promise<void> =>
    eventually(
      async () => {
        const entitled = [...(await record()).entitled.keys()];
        return entitled.join() === ['pg01', ...members].join() && (await names()) === listOf(members);
      },
      { limit: 20_000, what: `entitled: ${members.join()}` },
    );

  it('entitles a standby that comes, and withdraws it when it goes', async (t) => {
    await confirm();
    manage();
    const came = performance.now();
    const receiver = await standby('pg02');
    await entitles('pg02');
    t.diagnostic(`came: ${Math.round(performance.now() - came)} ms with its start`);
    await client.query('INSERT INTO t VALUES (1)');
    const went = performance.now();
    await receiver.end();
    await entitles();
    t.diagnostic(`went: ${Math.round(performance.now() - went)} ms`);
    await client.query('INSERT INTO t VALUES (2)');
    assert.equal((await record()).counter, 3);
    t.diagnostic(JSON.stringify(log.of(events.entitlementChange)));
    assert.deepEqual(log.of(events.entitlementError), []);
  });

  it('takes the standby that has most when one goes, without ever acknowledging what no entitled one has', async (t) => {
    // A standby that is idle says nothing for a minute: whoever waits at the barrier must not wait for its next word.
    await client.query(`ALTER SYSTEM SET wal_receiver_status_interval = '60s'`);
    await client.query('SELECT pg_reload_conf()');
    await confirm();
    manage();
    const [load, watch] = [await writes(primary), await invariant(primary, store)];
    cleanups.push(
      () => load.end(),
      () => watch.end(),
    );
    const receivers = new Map([
      ['pg02', await standby('pg02', 'pg02', 60)],
      ['pg03', await standby('pg03', 'pg03', 60)],
    ]);
    await eventually(async () => (await record()).entitled.size === 2);
    const waits: number[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      const entitled = [...(await record()).entitled.keys()].find((name) => name !== 'pg01');
      assert.ok(entitled !== undefined);
      await eventually(async () => (await streaming(client)) === 2);
      const went = performance.now();
      await receivers.get(entitled)?.end();
      const other = entitled === 'pg02' ? 'pg03' : 'pg02';
      await entitles(other);
      const { count } = load;
      await eventually(() => load.count > count + 30);
      waits.push(Math.round(performance.now() - went));
      receivers.set(entitled, await standby(entitled, entitled, 60));
    }
    t.diagnostic(`30 more commits after ${waits.join(', ')} ms; ${load.count} commits, ${watch.looks} looks`);
    assert.equal(log.of(events.entitlementChange).filter(({ plan }) => plan === 'shrink').length, 0);
    await load.end();
    await watch.end();
    assert.ok(watch.looks > 50);
    assert.deepEqual(watch.broken, []);
  });

  it('keeps two, and makes do with one, where two are wanted', async () => {
    await confirm();
    manage({ wanted: 2 });
    const [load, watch] = [await writes(primary), await invariant(primary, store)];
    cleanups.push(
      () => load.end(),
      () => watch.end(),
    );
    const pg02 = await standby('pg02');
    await entitles('pg02');
    const pg03 = await standby('pg03');
    await entitles('pg02', 'pg03');
    await standby('pg04');
    await eventually(async () => (await streaming(client)) === 3);
    await pg03.end();
    await entitles('pg02', 'pg04');
    await pg02.end();
    await entitles('pg04');
    await load.end();
    await watch.end();
    assert.deepEqual(watch.broken, []);
  });

  it('entitles nobody before commits wait: a checkpointer that has no time has not seen the names', async () => {
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'`,
    );
    const checkpointer = rows[0]?.pid ?? assert.fail('there is no checkpointer');
    process.kill(checkpointer, 'SIGSTOP');
    cleanups.push(() => Promise.resolve(process.kill(checkpointer, 'SIGCONT')));
    await confirm();
    manage();
    await standby('pg02');
    await eventually(async () => (await names())?.includes('"pg02"') === true);
    // pg_stat_replication calls it synchronous, and yet a commit does not wait at a barrier that nobody passes.
    await eventually(async () => {
      const { rows: states } = await client.query<{ sync_state: string }>(
        'SELECT sync_state FROM pg_stat_replication',
      );
      return states[0]?.sync_state === 'sync';
    });
    await client.query('INSERT INTO t VALUES (1)');
    assert.deepEqual([...(await record()).entitled.keys()], ['pg01']);
    process.kill(checkpointer, 'SIGCONT');
    await entitles('pg02');
  });

  it('withdraws nobody when the postmaster is killed: a backend that lives on sees no walsenders', async () => {
    await confirm();
    manage();
    await standby('pg02');
    await entitles('pg02');
    const orphan = await primary.connect();
    cleanups.push(() => orphan.end());
    await orphan.query(`CREATE FUNCTION seen_after(seconds float8) RETURNS int LANGUAGE plpgsql AS $$
      BEGIN
        WHILE clock_timestamp() < statement_timestamp() + seconds * interval '1 s' LOOP END LOOP;
        RETURN (SELECT count(*) FROM pg_stat_get_wal_senders() AS w WHERE w.pid IS NOT NULL);
      END $$`);
    const before = await record();
    const seen = orphan.query<{ seen_after: number }>('SELECT seen_after(1.5)');
    await new Promise((resolve) => setTimeout(resolve, 300));
    primary.signal('SIGKILL');
    assert.equal((await seen).rows[0]?.seen_after, 0);
    assert.deepEqual(await record(), before);
  });

  it('ends the walsender of a standby that hangs, and commits go on long before wal_sender_timeout', async (t) => {
    await client.query(`ALTER SYSTEM SET wal_sender_timeout = '60s'`);
    await client.query('SELECT pg_reload_conf()');
    await confirm();
    manage();
    const receiver = await standby('pg02');
    await entitles('pg02');
    receiver.process.signal('SIGSTOP');
    const since = performance.now();
    await client.query('INSERT INTO t VALUES (1)');
    const waited = performance.now() - since;
    t.diagnostic(`a commit waited ${Math.round(waited)} ms`);
    assert.ok(waited > 1_500 && waited < 10_000, `${waited} ms`);
    assert.equal(log.of(events.walsenderEnded).length, 1);
    assert.deepEqual([...(await record()).entitled.keys()], ['pg01']);
  });

  it('with sync-mode strict commits wait for a standby to come back', async () => {
    await confirm();
    manage({ strict: true });
    const receiver = await standby('pg02');
    await entitles('pg02');
    await receiver.end();
    await eventually(async () => (await names()) === 'FIRST 1000 (pgcm_barrier)');
    const waiting = await primary.connect();
    cleanups.push(() => waiting.end());
    let done = false;
    const commit = waiting.query('INSERT INTO t VALUES (1)').then(() => (done = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(done, false);
    await standby('pg02');
    await commit;
    await entitles('pg02');
  });

  it('finds the barrier of an agent that was ended, and lifts it after a write', async () => {
    await setNames(client, 'FIRST 1000 (pgcm_barrier)');
    await confirm();
    manage();
    await entitles();
    assert.equal((await record()).counter, 2);
  });

  it('needs no superuser: the rights of docs/install.md will do', async () => {
    await client.query(`CREATE ROLE pgcm_replication LOGIN IN ROLE pg_monitor, pg_signal_backend;
      GRANT ALTER SYSTEM ON PARAMETER synchronous_standby_names TO pgcm_replication;
      GRANT EXECUTE ON FUNCTION pg_reload_conf() TO pgcm_replication;
      GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO pgcm_replication`);
    await confirm();
    manage({ user: 'pgcm_replication' });
    const receiver = await standby('pg02');
    await entitles('pg02');
    await receiver.end();
    await entitles();
    assert.deepEqual(log.of(events.entitlementError), []);
  });

  it('ends a predecessor that does not let go of the lock', async () => {
    const predecessor = await primary.connect();
    cleanups.push(() => predecessor.end());
    await predecessor.query('SELECT pg_advisory_lock(1885823853)');
    await confirm();
    manage();
    await standby('pg02');
    await entitles('pg02');
    await assert.rejects(predecessor.query('SELECT 1'));
  });

  it('without etcd nobody is withdrawn and commits wait; with it again they go on', async () => {
    await confirm();
    manage();
    const receiver = await standby('pg02');
    await entitles('pg02');
    servers.member(0).freeze();
    let done = false;
    const waiting = await primary.connect();
    cleanups.push(() => waiting.end());
    try {
      await receiver.end();
      void waiting.query('INSERT INTO t VALUES (1)').then(() => (done = true));
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      assert.equal(done, false);
      assert.equal(await names(), listOf(['pg02']));
    } finally {
      servers.member(0).thaw();
    }
    await eventually(() => done, { limit: 30_000 });
    await entitles();
  });

  it('leaves PostgreSQL alone where the record names another, another timeline, or is not there', async () => {
    const end = manage();
    await standby('pg02');
    await new Promise((resolve) => setTimeout(resolve, 400));
    await end();
    await confirm({ primary: 'pg09', entitled: new Map([['pg09', 1n]]) });
    const again = manage();
    await new Promise((resolve) => setTimeout(resolve, 400));
    await again();
    assert.equal(await names(), '');
    const { rows } = await client.query("SELECT FROM pg_stat_activity WHERE application_name = 'pgcm'");
    assert.equal(rows.length, 0);
    assert.equal((await record()).counter, 1);
  });

  it('takes no standby from another address, through another slot, or of an unknown name', async () => {
    await confirm();
    manage();
    await standby('stranger');
    await standby('pg03', 'pg02');
    await eventually(() => log.of(events.standbyRefused).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual([...(await record()).entitled.keys()], ['pg01']);
    assert.equal(await names(), '');
  });
});

async function setNames(client: Client, names: string): Promise<void> {
  await client.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
  await client.query('SELECT pg_reload_conf()');
}

async function streaming(client: Client): Promise<number> {
  const { rows } = await client.query(`SELECT FROM pg_stat_replication WHERE state = 'streaming'`);
  return rows.length;
}

/** The furthest position of which a client knows that it was acknowledged. */
let acknowledged = 0n;

/** Clients that write as fast as they are let. */
async function writes(server: PostgresServer): Promise<{ readonly count: number; end(): Promise<void> }> {
  acknowledged = 0n;
  let count = 0;
  const stop = new AbortController();
  const stopped = (): boolean => stop.signal.aborted;
  const clients = await Promise.all([server.connect(), server.connect(), server.connect()]);
  const running = clients.map(async (one) => {
    while (!stopped()) {
      await one.query('BEGIN');
      await one.query('INSERT INTO t VALUES (1)');
      const { rows } = await one.query<{ at: string }>('SELECT pg_current_wal_insert_lsn()::text AS at');
      await one.query('COMMIT');
      const at = parsePosition(rows[0]?.at ?? '') ?? assert.fail('no position');
      if (at > acknowledged) acknowledged = at;
      count += 1;
    }
    await one.end();
  });
  return {
    get count() {
      return count;
    },
    end: async () => {
      stop.abort();
      await Promise.all(running);
    },
  };
}

/** Looks all the time whether each standby that the record entitles has what was acknowledged before the record was read. */
async function invariant(
  server: PostgresServer,
  store: EtcdEntitlementStore,
): Promise<{ readonly looks: number; readonly broken: readonly string[]; end(): Promise<void> }> {
  const client = await server.connect();
  const broken: string[] = [];
  let looks = 0;
  const stop = new AbortController();
  const stopped = (): boolean => stop.signal.aborted;
  const running = (async () => {
    while (!stopped()) {
      const at = acknowledged;
      const reading = await store.read(forever);
      const { rows } = await client.query<{ name: string; flushed: string | null }>(
        'SELECT application_name AS name, flush_lsn::text AS flushed FROM pg_stat_replication',
      );
      for (const { name, flushed } of rows) {
        if (reading.kind !== 'record' || !reading.record.entitled.has(name) || flushed === null) continue;
        const has = parsePosition(flushed) ?? 0n;
        if (has < at) broken.push(`${name} has ${flushed}, and ${formatPosition(at)} was acknowledged`);
      }
      looks += 1;
    }
    await client.end();
  })();
  return {
    get looks() {
      return looks;
    },
    broken,
    end: async () => {
      stop.abort();
      await running;
    },
  };
}
