import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import type { Client } from 'pg';
import { AgentWorld, FEWEST_CONNECTIONS, type AgentCluster } from './agent-cluster.js';
import { kill, OCF, type AgentMember } from './agent-member.js';

describe('the agent monitors', () => {
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

  describe('what PostgreSQL does', () => {
    it('not running, running as a standby, running as the primary', async () => {
      await pg01.expect('monitor', OCF.notRunning);
      await cluster.up();
      await pg01.expect('monitor', OCF.runningPromoted);
      assert.equal(pg01.standIns.attribute('state'), 'running');
      assert.equal(pg01.standIns.attribute('data-status'), 'LATEST');
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.attribute('state'), 'running');
      assert.equal(pg02.standIns.attribute('data-status'), 'STREAMING|ASYNC');
    });

    it('wal receiver not streaming', async () => {
      await cluster.up();
      await pg01.crash();
      await pg02.gives('SELECT count(*) FROM pg_stat_wal_receiver', '0');
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.attribute('state'), 'wal receiver not streaming');
      assert.equal(pg02.standIns.attribute('data-status'), 'DISCONNECT');
    });

    it('hung', async () => {
      await cluster.up();
      for (const pid of pg01.processes) kill(pid, 'SIGSTOP');
      const { said } = await pg01.expect('monitor', OCF.generic, { probe_timeout: '1' });
      assert.match(said, /is hung: it has not answered within 1 s/);
      assert.equal(pg01.standIns.attribute('state'), 'hung');
    });

    it('starting up', async () => {
      // The startup process waits for what it wants to have from an archive.
      pg02.set('restore_command', 'sleep 600');
      const start = pg02.begin('start');
      await eventually(() => pg02.processes.length > 2, { limit: 60_000, every: 50 });
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.attribute('state'), 'starting up');
      const { status, said } = await start.done;
      assert.equal(status, OCF.success, said);
      assert.match(said, /is still starting up/);
    });

    it('not accepting', async () => {
      await cluster.up();
      writeFileSync(join(pg01.config, '..', 'pg_hba.conf'), 'local all nobody trust\n');
      await pg01.value('SELECT pg_reload_conf()');
      await eventually(
        async () =>
          pg01.value('SELECT 1').then(
            () => false,
            () => true,
          ),
        { limit: 30_000, every: 100 },
      );
      const { said } = await pg01.expect('monitor', OCF.generic);
      assert.match(said, /does not accept connections: .*pg_hba/s);
      assert.equal(pg01.standIns.attribute('state'), 'not accepting');
    });

    it('processes whose postmaster is gone', async () => {
      await cluster.up();
      const backend = pg01.processOf('checkpointer');
      kill(backend, 'SIGSTOP');
      kill(pg01.postmaster);
      const { said } = await pg01.expect('monitor', OCF.generic);
      assert.match(said, /the postmaster of .* is gone, and processes of it live on/);
    });

    it('all connections taken is not down', async () => {
      for (const member of [pg01, pg02]) {
        member.set('max_connections', String(FEWEST_CONNECTIONS));
        member.set('superuser_reserved_connections', '0');
      }
      await cluster.up();
      const clients: Client[] = [];
      // What the agent does in the background after a promotion takes one for a moment.
      await eventually(
        async () => {
          clients.push(
            ...(await pg01.connect().then(
              (client) => [client],
              () => [],
            )),
          );
          return clients.length === FEWEST_CONNECTIONS;
        },
        { limit: 60_000, every: 10 },
      );
      await pg01.expect('monitor', OCF.runningPromoted);
      assert.equal(pg01.standIns.attribute('state'), 'running, too many clients');
      await Promise.all(clients.map((client) => client.end()));
    });
  });

  describe('the record', () => {
    it('a primary that it does not name has failed (rule 11)', async () => {
      await cluster.up();
      await cluster.put({ primary: 'pg02', timeline: 3, highest: 3, entitled: { pg02: '0/1' } });
      const { said } = await pg01.expect('monitor', OCF.failedPromoted);
      assert.match(said, /takes writes on timeline 2, and the record names pg02 on timeline 3/);
    });

    it('nor may it name it with another timeline (rule 11)', async () => {
      await cluster.up();
      await cluster.put({ timeline: 3, highest: 3 });
      await pg01.expect('monitor', OCF.failedPromoted);
      assert.equal(
        pg01.standIns.score,
        '-INFINITY',
        'nobody promotes it again in place of the one that is named',
      );
    });

    it('an entitled standby has a score, another has none to be promoted by (rule 12)', async () => {
      await cluster.up();
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.score, '-INFINITY');
      await cluster.entitle('pg02');
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.score, '100');
      assert.equal(pg02.standIns.attribute('data-status'), 'STREAMING|SYNC');
      await cluster.put({ entitled: { pg01: '0/1' } });
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.score, '-INFINITY');
    });

    it('that cannot be read leaves scores as they are (rule 12)', { timeout: 120_000 }, async () => {
      await cluster.up();
      await cluster.entitle('pg02');
      for (const member of [pg01, pg02]) {
        member.standIns.cut(true);
        member.standIns.forget();
      }
      await pg01.expect('monitor', OCF.runningPromoted);
      await pg02.ok('monitor');
      assert.equal(pg01.standIns.score, undefined);
      assert.equal(pg02.standIns.score, undefined);
    });

    it('that was emptied does not take a primary down (rule 12), and nobody is promoted by it (rule 17)', async () => {
      await cluster.up();
      await cluster.entitle('pg02');
      await Promise.all([pg01.expect('monitor', OCF.runningPromoted), pg02.ok('monitor')]);
      await cluster.removeRecord();
      for (const member of [pg01, pg02]) member.standIns.forget();
      await pg01.expect('monitor', OCF.runningPromoted);
      await pg02.ok('monitor');
      assert.equal(pg01.standIns.score, undefined);
      assert.equal(pg02.standIns.score, '-INFINITY');
      assert.equal(await cluster.recordText(), '', 'nobody makes a first record where there was one');
    });

    it('that is lower than one seen is not believed (rule 17)', async () => {
      await cluster.up();
      await cluster.entitle('pg02');
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.score, '100');
      await cluster.put({ counter: 1 });
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.score, '-INFINITY');
    });
  });

  describe('the first record (rule 16)', () => {
    it('is made by the most advanced when all answer, and by nobody while one does not', async () => {
      // pg02 gets more than pg01, outside any cluster.
      await pg02.ok('start');
      await pg02.ok('monitor');
      assert.equal(await cluster.recordText(), '', 'pg01 does not answer');
      assert.equal(pg02.standIns.score, '-INFINITY');
      await pg01.ok('start');
      await pg02.ok('monitor');
      assert.equal(await cluster.recordText(), '', 'a tie: the first by name makes it');
      await pg01.ok('monitor');
      const record = await cluster.record();
      assert.deepEqual([record.primary, record.timeline, record.counter, record.highest], ['pg01', 1, 1, 1]);
      assert.deepEqual(Object.keys(record.entitled), ['pg01']);
      assert.equal(record.system, pg01.control('Database system identifier'));
      assert.equal(pg01.standIns.score, '100');
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.score, '-INFINITY');
      await pg01.ok('promote');
    });

    it('is made by the one that has more, whatever its name', async () => {
      await cluster.up();
      await pg01.ok('stop');
      await pg02.value('SELECT pg_promote()');
      await pg02.gives('SELECT pg_is_in_recovery()', 'false');
      await pg02.ok('stop');
      await cluster.removeRecord();
      writeFileSync(join(pg01.state, 'highest'), '');
      writeFileSync(join(pg02.state, 'highest'), '');
      await Promise.all([pg01.ok('start'), pg02.ok('start')]);
      await pg01.ok('monitor');
      assert.equal(await cluster.recordText(), '');
      await pg02.ok('monitor');
      const record = await cluster.record();
      assert.deepEqual([record.primary, record.timeline], ['pg02', 3]);
    });

    it('is made by nobody where the members are of different clusters', async () => {
      const other = await AgentWorld.start();
      try {
        execFileSync('rm', ['-rf', pg02.data]);
        execFileSync('cp', ['-a', other.template, pg02.data]);
      } finally {
        await other.stop();
      }
      await Promise.all([pg01.ok('start'), pg02.ok('start')]);
      for (const member of [pg01, pg02]) {
        const { said } = await member.ok('monitor');
        assert.match(said, /the members are of different clusters/);
        assert.equal(member.standIns.score, '-INFINITY');
      }
      assert.equal(await cluster.recordText(), '');
    });

    it('is made by nobody while one takes writes', async () => {
      await pg01.ok('start');
      await pg02.ok('start');
      await pg02.value('SELECT pg_promote()');
      await pg02.gives('SELECT pg_is_in_recovery()', 'false');
      await pg01.ok('monitor');
      assert.equal(await cluster.recordText(), '');
    });
  });

  describe('what was told, and what was left', () => {
    it('a warning beside an answer is no answer', async () => {
      await cluster.up();
      await cluster.entitle('pg02');
      const bindir = pg01.standIns.binaries(
        'psql',
        `echo 'WARNING:  database "postgres" has a collation version mismatch' >&2\nexec "$real" "$@"`,
      );
      await pg01.expect('monitor', OCF.runningPromoted, { bindir });
      await pg02.ok('monitor', { bindir });
      assert.equal(pg02.standIns.attribute('data-status'), 'STREAMING|SYNC');
    });

    it('Pacemaker is told what it knows only now and then, and at a probe', async () => {
      await cluster.up();
      await pg02.ok('monitor');
      pg02.standIns.forget();
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.score, undefined);
      assert.equal(pg02.standIns.attribute('state'), undefined);
      // Pacemaker was started anew beside a PostgreSQL that runs: it asks first what does.
      await pg02.ok('monitor', { CRM_meta_interval: '0' });
      assert.equal(pg02.standIns.score, '-INFINITY');
      assert.equal(pg02.standIns.attribute('state'), 'running');
      // 15 s are over.
      writeFileSync(`/run/pgcm-agent/${pg02.instance}/score`, '0 -INFINITY\n');
      pg02.standIns.forget();
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.score, '-INFINITY');
    });

    it('start of what runs already tells it anew, too', async () => {
      await cluster.up();
      await pg02.ok('monitor');
      pg02.standIns.forget();
      await pg02.ok('start');
      await pg02.ok('monitor');
      assert.equal(pg02.standIns.attribute('state'), 'running');
    });

    it('marks of a time that is over are removed by a standby that streams', async () => {
      await cluster.up();
      const marks = [
        `/run/pgcm-agent/${pg02.instance}/not-streaming`,
        join(pg02.state, 'left-behind'),
      ] as const;
      writeFileSync(marks[0], '0 0/1\n');
      writeFileSync(marks[1], 'it was left behind once\n');
      await pg02.ok('monitor');
      for (const mark of marks) assert.ok(!existsSync(mark), mark);
      await pg02.ok('stop');
      const { said } = await pg02.ok('start', { rebuild: 'yes' });
      assert.doesNotMatch(said, /rebuilding/);
    });

    it('and by the promotion', async () => {
      await pg01.ok('start');
      await cluster.put({ entitled: { pg01: '0/1' } });
      const mark = join(pg01.state, 'left-behind');
      writeFileSync(mark, 'it was left behind once\n');
      await pg01.ok('promote');
      await eventually(() => !existsSync(mark), { limit: 60_000 });
    });

    it('a standby whose walreceiver is away is not told from its control file alone that it has diverged', async () => {
      await cluster.up();
      // Streams on timeline 2; its control file has that only after its next restart point.
      await pg02.ok('monitor');
      assert.equal(pg02.control("Latest checkpoint's TimeLineID"), '1');
      await pg01.commits();
      await refuseReplication(pg01);
      await pg02.gives('SELECT count(*) FROM pg_stat_wal_receiver', '0');
      for (let look = 0; look < 3; look += 1) await pg02.ok('monitor');
      assert.equal(pg02.standIns.attribute('state'), 'wal receiver not streaming');
    });

    it('one that stands still for a minute though the primary answers is started anew', async () => {
      await cluster.up();
      await pg02.ok('monitor');
      const access = readFileSync(join(pg01.config, '..', 'pg_hba.conf'), 'utf8');
      await refuseReplication(pg01);
      await pg02.gives('SELECT count(*) FROM pg_stat_wal_receiver', '0');
      await pg02.ok('monitor');
      await pg02.ok('monitor');
      const mark = `/run/pgcm-agent/${pg02.instance}/not-streaming`;
      const [since, at] = readFileSync(mark, 'utf8').trim().split(' ');
      const minuteAgo = Number(since) - 6_000;
      writeFileSync(mark, `${minuteAgo} 0/1\n`);
      await pg02.ok('monitor');
      writeFileSync(mark, `${minuteAgo} ${at}\n`);
      const { said } = await pg02.expect('monitor', OCF.generic);
      assert.match(said, /has stood at .* for a minute: it is started anew/);
      writeFileSync(join(pg01.config, '..', 'pg_hba.conf'), access);
      await pg01.value('SELECT pg_reload_conf()');
      await pg02.ok('stop');
      await pg02.ok('start');
      await pg02.streams();
    });

    it('commits that are weaker than they look are warned of when that becomes so', async () => {
      await cluster.up();
      const stamp = `/run/pgcm-agent/${pg01.instance}/slots`;
      const monitor = async (): Promise<string> => {
        writeFileSync(stamp, '0\n');
        return (await pg01.expect('monitor', OCF.runningPromoted)).said;
      };
      assert.doesNotMatch(await monitor(), /not safe/);
      await pg01.value('ALTER ROLE replicator SET synchronous_commit = remote_apply');
      assert.doesNotMatch(await monitor(), /not safe/);
      await pg01.value('ALTER ROLE replicator SET synchronous_commit = off');
      await pg01.value("ALTER DATABASE postgres SET synchronous_commit = 'local'");
      assert.match(
        await monitor(),
        /not safe .*database postgres \(synchronous_commit=local\); role replicator \(synchronous_commit=off\)/,
      );
      assert.doesNotMatch(await monitor(), /not safe/, 'once');
      await pg01.value("ALTER ROLE replicator SET synchronous_commit = 'false'");
      assert.match(await monitor(), /role replicator \(synchronous_commit=false\)/);
    });
  });

  /** The primary answers, and lets nobody stream. */
  async function refuseReplication(primary: AgentMember): Promise<void> {
    writeFileSync(
      join(primary.config, '..', 'pg_hba.conf'),
      'local all all trust\nhost all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 reject\n',
    );
    await primary.value('SELECT pg_reload_conf()');
    await primary.value(`SELECT pg_terminate_backend(pid) FROM pg_stat_replication`);
  }

  describe('slots', () => {
    const slots = `SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots`;

    it('are there on all members', async () => {
      await cluster.up();
      await pg01.expect('monitor', OCF.runningPromoted);
      await pg02.ok('monitor');
      assert.equal(await pg01.value(slots), 'pg02');
      assert.equal(await pg02.value(slots), 'pg01');
      assert.equal(await pg01.value('SELECT active FROM pg_replication_slots'), 'true');
    });

    it('follow those of the primary on a standby', { timeout: 180_000 }, async () => {
      await cluster.end();
      cluster = await world.cluster(['pg01', 'pg02', 'PG-03.x']);
      const [one, two, three] = cluster.members;
      assert.ok(one && two && three);
      await cluster.up();
      await one.expect('monitor', OCF.runningPromoted);
      assert.equal(await one.value(slots), 'pg02,pg_03_x');
      await two.ok('monitor');
      const of = `SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'pg_03_x'`;
      const before = await two.value(of);
      await one.commits();
      await one.gives(
        `SELECT restart_lsn = pg_current_wal_flush_lsn() FROM pg_replication_slots WHERE slot_name = 'pg_03_x'`,
        'true',
      );
      // Half a minute is over.
      const stamp = `/run/pgcm-agent/${two.instance}/slots`;
      assert.match(readFileSync(stamp, 'utf8'), /^\d+\n$/);
      writeFileSync(stamp, '0\n');
      await two.ok('monitor');
      const moved = await two.value(of);
      assert.notEqual(moved, before);
      assert.equal(moved, await one.value(of));
    });

    it('that for the primary keeps what a rewind of it would need', async () => {
      await cluster.up();
      await pg02.ok('monitor');
      const at = `SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'pg01'`;
      const before = await pg02.value(at);
      await pg01.commits();
      await pg01.value('CHECKPOINT');
      await pg02.gives(
        'SELECT pg_last_wal_replay_lsn()::text',
        await pg01.value('SELECT pg_current_wal_flush_lsn()'),
      );
      await pg02.value('CHECKPOINT');
      writeFileSync(`/run/pgcm-agent/${pg02.instance}/slots`, '0\n');
      await pg02.ok('monitor');
      const moved = await pg02.value(at);
      assert.notEqual(moved, before);
      assert.equal(moved, await pg02.value('SELECT redo_lsn FROM pg_control_checkpoint()'));
    });

    it('that were lost are made anew', async () => {
      pg01.set('max_slot_wal_keep_size', '1MB');
      await cluster.up();
      await pg02.ok('stop');
      for (let files = 0; files < 4; files += 1) {
        await pg01.value(`SELECT pg_logical_emit_message(false, 'pgcm', repeat('x', 900000))`);
        await pg01.value('SELECT pg_switch_wal()');
      }
      await pg01.value('CHECKPOINT');
      assert.equal(await pg01.value('SELECT wal_status FROM pg_replication_slots'), 'lost');
      await pg01.expect('monitor', OCF.runningPromoted);
      assert.notEqual(await pg01.value('SELECT wal_status FROM pg_replication_slots'), 'lost');
    });
  });
});
