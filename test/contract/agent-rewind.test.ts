import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { AgentWorld, type AgentCluster } from './agent-cluster.js';
import { kill, OCF, type AgentMember } from './agent-member.js';

/** WAL that no other member has, and of which nobody was told that it is safe. */
const MORE = `SELECT count(pg_logical_emit_message(false, 'pgcm', repeat('x', 9000))) FROM generate_series(1, 20)`;

/** The disk is full when the agent notes that it is about to touch the data directory. */
const FULL_FOR_TOUCHED = `#!/bin/sh
case $1 in
*/touched.*) echo "sync: error syncing '$1': No space left on device" >&2; exit 1 ;;
esac
exec /usr/bin/sync "$@"
`;

describe('the agent makes a diverged member fit again', () => {
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

  /** pg01 was primary, has more than pg02, and is down; pg02 is the confirmed primary. */
  const diverged = async (): Promise<void> => {
    await cluster.up();
    await pg01.commits();
    await pg02.gives('SELECT count(*) FROM t', '1');
    await cluster.entitle('pg02');
    // Not SIGKILL of the primary first: the standby would be fed until the end.
    await pg02.crash();
    await pg01.value(MORE);
    await pg01.commits();
    await pg01.crash();
    await pg02.ok('start');
    await pg02.ok('promote');
  };

  const follows = async (member: AgentMember, of: AgentMember): Promise<void> => {
    await member.streams();
    const rows = `SELECT coalesce(string_agg(who, ',' ORDER BY who), '') FROM t`;
    await member.gives(rows, await of.value(rows));
    await member.gives(
      'SELECT received_tli FROM pg_stat_wal_receiver',
      String((await cluster.record()).timeline),
    );
  };

  describe('an old primary that crashed with more than the new one has', () => {
    it('is rewound, with its own settings, and withdraws before', async () => {
      await diverged();
      await cluster.entitle('pg02');
      const before = await cluster.record();
      await pg01.ok('start');
      await follows(pg01, pg02);
      assert.equal(await pg01.value('SELECT count(*) FROM t'), '1');
      assert.equal(await pg01.value('SHOW cluster_name'), 'pg01');
      assert.equal(await pg01.value('SHOW synchronous_standby_names'), 'FIRST 1000 (pgcm_barrier)');
      assert.equal(
        await pg02.value('SELECT application_name FROM pg_stat_replication'),
        'pg01',
        'it comes as itself',
      );
      const record = await cluster.record();
      assert.ok(
        record.counter > before.counter,
        'it writes the record even if it is not named in it (rule 15)',
      );
      assert.deepEqual(Object.keys(record.entitled), ['pg02']);
      assert.ok(!existsSync(join(pg01.state, 'touched')));
    });

    it('keeps what it has against a record older than what it has seen (rule 17)', async () => {
      await diverged();
      const { system } = await cluster.record();
      writeFileSync(join(pg01.state, 'highest'), `${system} 7 1000\n`);
      const { said } = await pg01.ok('start');
      assert.match(said, /starting as it is: .*pgcm adopt/);
      await pg01.ok('monitor');
      await pg01.ok('monitor');
      assert.ok(Number(await pg01.value('SELECT count(*) FROM t')) > 1, 'it has its rows');
      assert.ok(!existsSync(join(pg01.state, 'touched')));
    });

    it('takes its name out of the record', async () => {
      await diverged();
      const { entitled } = await cluster.record();
      await cluster.put({ entitled: { ...entitled, pg01: '0/1' } });
      await pg01.ok('start');
      assert.deepEqual(Object.keys((await cluster.record()).entitled), ['pg02']);
      await follows(pg01, pg02);
    });

    it('is not touched while it cannot withdraw', { timeout: 180_000 }, async () => {
      await diverged();
      pg01.standIns.keepAll();
      const { said } = await pg01.expect('start', OCF.generic);
      assert.match(said, /could not withdraw from the record/);
      assert.ok(!existsSync(join(pg01.state, 'touched')));
      assert.equal(pg01.control("Latest checkpoint's TimeLineID"), '2');
    });

    it(
      'starts as it is while etcd is away, and monitor stops it when etcd is back',
      { timeout: 180_000 },
      async () => {
        await diverged();
        pg01.standIns.cut(true);
        await pg01.ok('start');
        assert.equal(await pg01.value('SELECT pg_is_in_recovery()'), 'true');
        pg01.standIns.cut(false);
        await stoppedByMonitor(pg01, /is stopped, to be rewound/);
        await pg01.ok('stop');
        await pg01.ok('start');
        await follows(pg01, pg02);
      },
    );

    it(
      'is not rewound before the control file of the new one shows its timeline',
      { timeout: 180_000 },
      async () => {
        await cluster.up();
        await pg01.commits();
        await pg02.gives('SELECT count(*) FROM t', '1');
        await cluster.entitle('pg02');
        await pg02.crash();
        await pg01.value(MORE);
        await pg01.crash();
        await pg02.ok('start');
        // A checkpointer that is stopped makes none; everything else goes on.
        const confirmation = pg02.standIns.transaction(2, 'hold');
        const promotion = pg02.begin('promote');
        await confirmation.reached();
        const checkpointer = pg02.processOf('checkpointer');
        kill(checkpointer, 'SIGSTOP');
        confirmation.release();
        await eventually(async () => (await cluster.record()).primary === 'pg02', {
          limit: 60_000,
          every: 50,
        });
        const start = pg01.begin('start');
        await eventually(() => pg01.standIns.transactions > 0, { limit: 60_000, every: 50 });
        assert.notEqual(pg02.control("Latest checkpoint's TimeLineID"), '3');
        assert.ok(!existsSync(join(pg01.state, 'touched')), 'it waits for the checkpoint');
        kill(checkpointer, 'SIGCONT');
        assert.equal((await promotion.done).status, OCF.success);
        const { status, said } = await start.done;
        assert.equal(status, OCF.success, said);
        await follows(pg01, pg02);
      },
    );

    for (const state of ['shutting down', 'in crash recovery']) {
      it(`is recovered before it is compared, also when its control file says ${state}`, async () => {
        await diverged();
        // As it is after a kill in its shutdown checkpoint, or in an earlier recovery; once it has recovered the real one says so.
        const bindir = pg01.standIns.binaries(
          'pg_controldata',
          `"$real" "$@" | sed 's/in production$/${state}/'`,
        );
        const { said } = await pg01.ok('start', { bindir });
        assert.match(said, /rewinding /);
        await follows(pg01, pg02);
        assert.equal(await pg01.value('SELECT count(*) FROM t'), '1');
      });
    }

    it('is not touched when it cannot be noted that it is', async () => {
      await diverged();
      const sync = join(pg01.standIns.path, 'sync');
      writeFileSync(sync, FULL_FOR_TOUCHED, { mode: 0o755 });
      const { said } = await pg01.expect('start', OCF.permission);
      assert.match(said, /touched could not be written, so there is no rewind/);
      assert.equal(pg01.control("Latest checkpoint's TimeLineID"), '2');
      rmSync(sync);
      await pg01.ok('start');
      await follows(pg01, pg02);
    });

    it('refuses to start with rewind=no, and says what to run', async () => {
      await diverged();
      const { said } = await pg01.expect('start', OCF.generic, { rewind: 'no' });
      assert.match(
        said,
        /--set-parameter rebuild --parameter-value yes && crm_resource --cleanup .*--node pg01/,
      );
      assert.equal(pg01.control("Latest checkpoint's TimeLineID"), '2');
    });

    it('says why the primary could not be copied', async () => {
      await diverged();
      const unreadable = join(pg02.data, 'postgresql.auto.conf.1.new');
      writeFileSync(unreadable, '', { mode: 0o600 });
      const { said } = await pg01.expect('start', OCF.generic, { rewind: 'no', rebuild: 'yes' });
      assert.match(said, /the copy of pg02 .* failed: .*postgresql\.auto\.conf\.1\.new.*Permission denied/);
      rmSync(unreadable);
      await pg01.ok('start', { rewind: 'no', rebuild: 'yes' });
      await follows(pg01, pg02);
    });

    it('starts without what a start that was killed left among the data, which nobody could copy', async () => {
      await cluster.up();
      await pg02.ok('stop');
      const left = join(pg02.data, 'postgresql.auto.conf.1.new');
      writeFileSync(left, '', { mode: 0o600 });
      await pg02.ok('start');
      assert.ok(!existsSync(left));
    });

    it('is rebuilt with rewind=no and rebuild=yes, with its own settings', async () => {
      await diverged();
      await pg01.ok('start', { rewind: 'no', rebuild: 'yes' });
      await follows(pg01, pg02);
      assert.equal(await pg01.value('SHOW cluster_name'), 'pg01');
      assert.equal(await pg01.value('SHOW synchronous_standby_names'), 'FIRST 1000 (pgcm_barrier)');
    });
  });

  describe('a timeline number that was used twice', () => {
    /** pg01 was promoted to 3 by somebody's hand, and the cluster promotes pg02 to 3. pg01 is down. */
    const twice = async (): Promise<void> => {
      await cluster.up();
      await pg01.commits();
      await pg02.gives('SELECT count(*) FROM t', '1');
      // It does not get what pg01 writes as it stops, so its history leaves timeline 2 earlier.
      await pg02.ok('stop');
      await pg01.ok('stop');
      await pg01.ok('start');
      await pg01.value('SELECT pg_promote()');
      await pg01.gives('SELECT pg_is_in_recovery()', 'false');
      await pg01.value('CHECKPOINT');
      await pg01.value(MORE);
      await pg01.ok('stop');
      assert.equal(pg01.control("Latest checkpoint's TimeLineID"), '3');
      await pg02.ok('start');
      await cluster.put({ entitled: { pg02: await pg02.value('SELECT pg_last_wal_replay_lsn()') } });
      await pg02.ok('promote');
      assert.equal((await cluster.record()).timeline, 3);
      await pg02.gives('SELECT timeline_id FROM pg_control_checkpoint()', '3');
      await pg02.value(MORE);
      await pg02.value(MORE);
      await pg02.commits();
    };

    it('is found: such a member is rebuilt, or refuses to start', { timeout: 180_000 }, async () => {
      await twice();
      const { said } = await pg01.expect('start', OCF.generic);
      assert.match(said, /its timeline 3 is another than the primary's of that number/);
      await pg01.ok('start', { rebuild: 'yes' });
      await follows(pg01, pg02);
    });

    it('is found by the first record when the history files are the same', { timeout: 180_000 }, async () => {
      await twice();
      const history = join('pg_wal', '00000003.history');
      copyFileSync(join(pg02.data, history), join(pg01.data, history));
      const { said } = await pg01.expect('start', OCF.generic);
      assert.match(said, /its timeline 3 is another than the primary's of that number/);
    });

    it('is found by monitor when it was not at the start', { timeout: 180_000 }, async () => {
      await twice();
      pg01.standIns.cut(true);
      await pg01.ok('start');
      pg01.standIns.cut(false);
      await stoppedByMonitor(
        pg01,
        /on another timeline 3 than the primary pg02's: it is stopped, to be rebuilt/,
      );
      await pg01.ok('stop');
      await pg01.ok('start', { rebuild: 'yes' });
      await follows(pg01, pg02);
    });
  });

  describe('a standby', () => {
    it(
      'that has received more than the promoted one, and applied it, is rewound',
      { timeout: 180_000 },
      async () => {
        const { pg03 } = await three();
        await pg02.crash();
        await pg01.value(MORE);
        await pg01.value('CHECKPOINT');
        const ahead = await pg01.value('SELECT pg_current_wal_flush_lsn()');
        await pg03.gives(`SELECT pg_last_wal_replay_lsn() >= '${ahead}'`, 'true');
        await pg03.value('CHECKPOINT');
        await pg01.crash();
        await pg02.ok('start');
        await pg02.ok('promote');
        await pg02.gives('SELECT timeline_id FROM pg_control_checkpoint()', '3');
        await pg02.commits();
        await stoppedByMonitor(pg03, /is stopped, to be rewound/);
        await pg03.ok('stop');
        await pg03.ok('start');
        await follows(pg03, pg02);
      },
    );

    it(
      'whose WAL after the fork is in no data file is trimmed, and needs no rewind',
      { timeout: 180_000 },
      async () => {
        const { pg03 } = await three();
        await pg03.value('CHECKPOINT');
        await pg02.crash();
        // It receives, and applies nothing of it.
        await pg03.value('SELECT pg_wal_replay_pause()');
        await pg03.gives('SELECT pg_get_wal_replay_pause_state()', 'paused');
        await pg01.value(MORE);
        await pg01.value(`INSERT INTO t VALUES ('lost')`);
        const ahead = await pg01.value('SELECT pg_current_wal_flush_lsn()');
        await pg03.gives(`SELECT pg_last_wal_receive_lsn() >= '${ahead}'`, 'true');
        await pg01.crash();
        await pg03.crash();
        await pg02.ok('start');
        await pg02.ok('promote');
        await pg02.commits();
        const counter = (await cluster.record()).counter;
        await pg03.ok('start');
        await follows(pg03, pg02);
        assert.equal(await pg03.value(`SELECT count(*) FROM t WHERE who = 'lost'`), '0');
        assert.equal((await cluster.record()).counter, counter, 'nothing was rewound');
      },
    );
  });

  describe('a rewind that was interrupted', () => {
    const interrupted = async (): Promise<void> => {
      await diverged();
      const bindir = pg01.standIns.binaries(
        'pg_rewind',
        `rm -f '${pg01.data}/global/pg_control'; exec sleep 600`,
      );
      const start = pg01.begin('start', { bindir });
      await eventually(() => !existsSync(join(pg01.data, 'global', 'pg_control')), {
        limit: 60_000,
        every: 20,
      });
      await pg01.end();
      await start.done;
      assert.equal(readFileSync(join(pg01.state, 'touched'), 'utf8'), 'rewind\n');
    };

    it('refuses to start without rebuild=yes, and says what to run', { timeout: 180_000 }, async () => {
      await interrupted();
      const { said } = await pg01.expect('start', OCF.generic);
      assert.match(said, /a rewind was interrupted.*--set-parameter rebuild --parameter-value yes/s);
      assert.ok(existsSync(join(pg01.state, 'touched')));
    });

    it('becomes a rebuild', { timeout: 180_000 }, async () => {
      await interrupted();
      await pg01.ok('start', { rebuild: 'yes' });
      await follows(pg01, pg02);
      assert.ok(!existsSync(join(pg01.state, 'touched')));
    });

    it('does not start while there is no primary to copy from', { timeout: 180_000 }, async () => {
      await interrupted();
      await pg02.ok('stop');
      const { said } = await pg01.expect('start', OCF.generic, { rebuild: 'yes' });
      assert.match(said, /interrupted rewind, and there is no confirmed primary that answers/);
    });
  });

  it('an interrupted rebuild is done again', { timeout: 180_000 }, async () => {
    await diverged();
    const bindir = pg01.standIns.binaries('pg_basebackup', `echo half >'${pg01.data}/half'; exec sleep 600`);
    const start = pg01.begin('start', { bindir, rewind: 'no', rebuild: 'yes' });
    await eventually(() => existsSync(join(pg01.data, 'half')), { limit: 60_000, every: 20 });
    await pg01.end();
    await start.done;
    await pg01.ok('start', { rebuild: 'yes' });
    await follows(pg01, pg02);
  });

  it('a copy comes as pgcm_rebuild, which nobody waits for', { timeout: 180_000 }, async () => {
    await diverged();
    const bindir = pg01.standIns.binaries(
      'pg_basebackup',
      `echo "$*" >'${join(pg01.data, '..', 'log', 'args')}'; exec "$real" "$@"`,
    );
    await pg01.ok('start', { bindir, rewind: 'no', rebuild: 'yes' });
    assert.match(readFileSync(join(pg01.data, '..', 'log', 'args'), 'utf8'), /application_name=pgcm_rebuild/);
    await follows(pg01, pg02);
  });

  it('nobody is rewound onto a primary that is not confirmed (rule 9)', { timeout: 180_000 }, async () => {
    await diverged();
    // pg02 is on 3; the record's confirmed one is another.
    await cluster.put({ primary: 'pg01', timeline: 2 });
    await pg01.ok('start');
    assert.equal(await pg01.value('SELECT pg_is_in_recovery()'), 'true');
    assert.equal(pg01.control("Latest checkpoint's TimeLineID"), '2');
    // What it was told of that timeline does not keep it from starting again.
    await eventually(() => readdirSync(join(pg01.data, 'pg_wal')).includes('00000003.history'), {
      limit: 60_000,
    });
    await cluster.put({ primary: 'pg02', timeline: 4 });
    await pg01.ok('stop');
    await pg01.ok('start');
    assert.equal(pg01.control("Latest checkpoint's TimeLineID"), '2');
    // Nor, when nobody else is left, from being promoted.
    await pg02.crash();
    await cluster.put({ primary: 'pg01', timeline: 2, entitled: { pg01: '0/1' }, highest: 4 });
    await pg01.ok('promote');
    assert.equal((await cluster.record()).timeline, 5);
    await pg01.ok('demote');
    await pg01.gives('SELECT pg_is_in_recovery()', 'true');
  });

  it('a member that the primary has no WAL for is rebuilt', { timeout: 240_000 }, async () => {
    await cluster.up();
    await pg02.ok('stop');
    await pg01.value(`SELECT pg_drop_replication_slot('pg02')`);
    await pg01.value(MORE);
    for (let files = 0; files < 3; files += 1) {
      await pg01.value('SELECT pg_switch_wal()');
      await pg01.value(MORE);
      await pg01.value('CHECKPOINT');
    }
    // The primary makes its slot anew, and that begins now.
    await pg01.expect('monitor', OCF.runningPromoted);
    await pg02.ok('start');
    await pg02.ok('monitor');
    let said = '';
    await eventually(
      async () => {
        const outcome = await pg02.run('monitor', { rebuild: 'yes' });
        said = outcome.said;
        return outcome.status === OCF.generic;
      },
      { limit: 120_000, every: 1_000, what: 'monitor says that it is left behind' },
    );
    assert.match(said, /keeps it from .* on: it is stopped, to be rebuilt/);
    await pg02.ok('stop');
    await pg02.ok('start', { rebuild: 'yes' });
    await follows(pg02, pg01);
  });

  /** pg01 is primary; pg02 is entitled besides, pg03 is not. */
  const three = async (): Promise<{ pg03: AgentMember }> => {
    await cluster.end();
    cluster = await world.cluster(['pg01', 'pg02', 'pg03']);
    pg01 = cluster.member('pg01');
    pg02 = cluster.member('pg02');
    const pg03 = cluster.member('pg03');
    await cluster.up();
    await pg01.commits();
    await pg02.gives('SELECT count(*) FROM t', '1');
    await pg03.gives('SELECT count(*) FROM t', '1');
    await cluster.entitle('pg02');
    return { pg03 };
  };
});

/** It does not stream, and never will by itself. */
async function stoppedByMonitor(member: AgentMember, reason: RegExp): Promise<void> {
  let said = '';
  await eventually(
    async () => {
      const outcome = await member.run('monitor');
      said = outcome.said;
      return outcome.status === OCF.generic;
    },
    { limit: 60_000, every: 500, what: 'monitor fails' },
  );
  assert.match(said, reason);
}
