import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { AgentWorld, type AgentCluster } from './agent-cluster.js';
import { kill, OCF, type AgentMember } from './agent-member.js';

describe('the agent stops and demotes', () => {
  let world: AgentWorld;
  let cluster: AgentCluster;
  let pg01: AgentMember;
  let pg02: AgentMember;

  before(async () => {
    world = await AgentWorld.start();
  });
  after(() => world.stop());
  beforeEach(async () => {
    cluster = await world.cluster();
    pg01 = cluster.member('pg01');
    pg02 = cluster.member('pg02');
  });
  afterEach(() => cluster.end());

  /** A backend that is at work when its postmaster is killed, and goes on. */
  const orphan = async (member: AgentMember): Promise<number> => {
    const client = await member.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const pid = rows[0]?.pid ?? assert.fail();
    // It waits in the server, not for its client, so it does not look at its postmaster.
    void client.query('SELECT sum(i) FROM generate_series(1, 1000000000) AS i').catch(() => undefined);
    await eventually(
      async () => (await member.value(`SELECT state FROM pg_stat_activity WHERE pid = ${pid}`)) === 'active',
    );
    kill(pid, 'SIGSTOP');
    return pid;
  };

  for (const action of ['stop', 'demote'] as const) {
    it(`${action} is done only when no process is left: orphaned backends of a killed postmaster`, async () => {
      await cluster.up();
      const backend = await orphan(pg01);
      kill(pg01.postmaster);
      await eventually(() => pg01.processes.length > 0 && pg01.processes.length <= 3, {
        limit: 30_000,
        what: 'the rest is gone',
      });
      assert.ok(pg01.processes.includes(backend));
      // So that it could still acknowledge, were it let.
      kill(backend, 'SIGCONT');
      const before = new Set(pg01.processes);
      await pg01.ok(action, { stop_timeout: '2' });
      assert.deepEqual(
        pg01.processes.filter((pid) => before.has(pid)),
        [],
      );
    });
  }

  it('start does not begin beside orphaned backends', async () => {
    await cluster.up();
    const backend = await orphan(pg01);
    kill(pg01.postmaster);
    await pg01.ok('start', { stop_timeout: '2' });
    assert.ok(!pg01.processes.includes(backend));
    assert.equal(await pg01.value('SELECT pg_is_in_recovery()'), 'true');
  });

  it('a checkpointer that is stopped does not hold it up for ever', async () => {
    await cluster.up();
    kill(pg01.processOf('checkpointer'), 'SIGSTOP');
    await pg01.ok('stop', { stop_timeout: '2' });
    assert.deepEqual(pg01.processes, []);
  });

  it('nor does a postmaster that is stopped', async () => {
    await cluster.up();
    kill(pg01.postmaster, 'SIGSTOP');
    await pg01.ok('stop', { stop_timeout: '2', probe_timeout: '2' });
    assert.deepEqual(pg01.processes, []);
  });

  /** The sender's own timeout would end it, too, and is not what is looked at. @returns the walreceiver, which is stopped */
  const upWithFrozenStandby = async (): Promise<number> => {
    await cluster.up();
    await pg01.value(`ALTER SYSTEM SET wal_sender_timeout = '5min'`);
    await pg01.value('SELECT pg_reload_conf()');
    await pg01.gives('SHOW wal_sender_timeout', '5min');
    const receiver = pg02.processOf('walreceiver');
    kill(receiver, 'SIGSTOP');
    return receiver;
  };

  it('a frozen standby does not make a fast stop a kill: its walsender is ended', async () => {
    const receiver = await upWithFrozenStandby();
    await pg01.gives(
      `SELECT reply_time < clock_timestamp() - interval '1.1 s' FROM pg_stat_replication`,
      'true',
    );
    const { said } = await pg01.ok('demote', { stop_timeout: '60' });
    assert.match(said, /ending walsenders to standbys that do not answer/);
    assert.doesNotMatch(said, /killing what is left/);
    kill(receiver, 'SIGCONT');
  });

  it('a standby that takes long gets everything: its walsender gets on', { timeout: 180_000 }, async () => {
    const receiver = await upWithFrozenStandby();
    await pg01.value(
      `SELECT count(pg_logical_emit_message(false, 'pgcm', repeat('x', 1000000))) FROM generate_series(1, 60)`,
    );
    await pg01.value(`INSERT INTO t VALUES ('the last')`);
    const demotion = pg01.begin('demote', { stop_timeout: '60' });
    const ended = new AbortController();
    void demotion.done.then(() => ended.abort());
    // A tenth of the time it takes what comes.
    while (!ended.signal.aborted) {
      kill(receiver, 'SIGCONT');
      await new Promise((resolve) => setTimeout(resolve, 20));
      kill(receiver, 'SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, 180));
    }
    kill(receiver, 'SIGCONT');
    const { said } = await demotion.done;
    assert.doesNotMatch(said, /ending walsenders/);
    await pg02.gives(`SELECT count(*) FROM t WHERE who = 'the last'`, '1');
  });

  it('and a standby that answers gets everything', async () => {
    await cluster.up();
    const client = await pg01.connect();
    await client.query(`INSERT INTO t SELECT 'x' FROM generate_series(1, 20000)`);
    await client.end();
    const { said } = await pg01.ok('stop');
    assert.doesNotMatch(said, /ending walsenders/);
    assert.equal(pg01.control('Database cluster state'), 'shut down');
    await pg02.gives('SELECT count(*) FROM t', '20000');
  });

  it('stop of what is stopped is done, twice', async () => {
    await pg01.ok('stop');
    await pg01.ok('start');
    await pg01.ok('stop');
    await pg01.ok('stop');
    await pg01.expect('monitor', OCF.notRunning);
  });

  it('a file of a postmaster that names another process does not mislead it', async () => {
    await pg01.ok('start');
    await pg01.crash();
    const file = join(pg01.data, 'postmaster.pid');
    const stale = readFileSync(file, 'utf8').replace(/^\d+/, String(process.pid));
    writeFileSync(file, stale);
    await pg01.expect('monitor', OCF.notRunning);
    await pg01.ok('stop');
    writeFileSync(file, stale);
    await pg01.ok('start');
  });

  describe('after a demotion', () => {
    it('it comes back as a standby in the background, and monitor says so', async () => {
      await cluster.up();
      await cluster.entitle('pg02');
      await pg01.ok('demote');
      await pg01.ok('monitor');
      await pg02.ok('promote');
      await pg01.gives('SELECT pg_is_in_recovery()', 'true');
      await pg01.streams();
      await eventually(
        async () =>
          (await pg01.run('monitor')).status === OCF.success &&
          pg01.standIns.attribute('state') === 'running',
        { limit: 60_000, every: 200 },
      );
    });

    it('stop ends what comes back, in whatever it is', async () => {
      await cluster.up();
      const reached = join(pg01.socket, 'reached');
      const bindir = pg01.standIns.binaries('pg_ctl', `: >'${reached}'; sleep 600`);
      await pg01.ok('demote', { bindir });
      await eventually(() => existsSync(reached), { limit: 60_000, every: 20 });
      await pg01.ok('monitor');
      assert.equal(pg01.standIns.attribute('state'), 'coming back');
      await pg01.ok('stop');
      assert.deepEqual(pg01.processes, []);
      await pg01.expect('monitor', OCF.notRunning);
      assert.deepEqual(pg01.left, [], 'nothing of the start goes on');
    });

    it('stop ends also what has lost the one that began it', { timeout: 180_000 }, async () => {
      await cluster.up();
      const reached = join(pg01.socket, 'reached');
      const bindir = pg01.standIns.binaries('pg_ctl', `: >'${reached}'; sleep 600`);
      await pg01.ok('demote', { bindir });
      await eventually(() => existsSync(reached), { limit: 60_000, every: 20 });
      const [worker] = readFileSync(`/run/pgcm-agent/${pg01.instance}/worker`, 'utf8').split(' ').map(Number);
      assert.ok(worker !== undefined && pg01.left.includes(worker));
      kill(worker);
      await eventually(() => !pg01.left.includes(worker));
      assert.notDeepEqual(pg01.left, []);
      await pg01.ok('stop');
      assert.deepEqual(pg01.left, []);
    });

    it('a rewind that is ended so is not forgotten', { timeout: 180_000 }, async () => {
      await cluster.up();
      await cluster.entitle('pg02');
      await pg02.crash();
      await pg01.value(`INSERT INTO t SELECT 'x' FROM generate_series(1, 2000)`);
      await pg01.crash();
      await pg02.ok('start');
      await pg02.ok('promote');
      const reached = join(pg01.socket, 'reached');
      const bindir = pg01.standIns.binaries('pg_rewind', `: >'${reached}'; sleep 600`);
      await pg01.ok('demote', { bindir });
      await eventually(() => existsSync(reached), { limit: 60_000, every: 20 });
      await pg01.ok('stop');
      assert.deepEqual(pg01.left, []);
      assert.ok(existsSync(join(pg01.state, 'touched')));
      await pg01.expect('start', OCF.generic);
    });
  });

  it(
    'the target of a move goes on without the last record of a frozen old primary (rule 10)',
    { timeout: 120_000 },
    async () => {
      await cluster.up();
      await cluster.entitle('pg02');
      for (const pid of pg01.processes) kill(pid, 'SIGSTOP');
      await pg02.ok('promote', { probe_timeout: '2' });
      assert.equal((await cluster.record()).primary, 'pg02');
      assert.ok(await pg02.commits());
    },
  );
});
