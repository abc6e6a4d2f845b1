import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { AgentWorld, type AgentCluster } from './agent-cluster.js';
import { kill, OCF, type AgentMember } from './agent-member.js';

const NAMES = 'SHOW synchronous_standby_names';
const BARRIER = 'FIRST 1000 (pgcm_barrier)';

describe('the agent promotes', () => {
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

  /** pg01 runs as a standby and is entitled; nobody was promoted yet. */
  const entitled = async (): Promise<void> => {
    await pg01.ok('start');
    await cluster.put({ entitled: { pg01: await pg01.value('SELECT pg_last_wal_replay_lsn()') } });
  };

  const refuses = async (member: AgentMember, reason: RegExp): Promise<void> => {
    const before = await cluster.recordText();
    member.standIns.forget();
    const { said } = await member.expect('promote', OCF.generic);
    assert.match(said, reason);
    assert.equal(await member.value('SELECT pg_is_in_recovery()'), 'true');
    assert.equal(member.standIns.score, '-INFINITY', 'a refused promotion takes the score away (rule 13)');
    assert.equal(await cluster.recordText(), before);
  };

  describe('whom the record entitles (rule 8)', () => {
    it('claims a timeline, takes it, confirms it, and takes writes when it is done', async () => {
      await entitled();
      await pg01.ok('promote');
      const record = await cluster.record();
      assert.deepEqual(
        [record.primary, record.timeline, record.claimant, record.claimed],
        ['pg01', 2, '', 0],
      );
      assert.deepEqual(Object.keys(record.entitled), ['pg01']);
      assert.deepEqual([record.counter, record.highest], [3, 2]);
      assert.match(pg01.standIns.input(1), /\\"claimant\\":\\"pg01\\",\\"claimed\\":2/);
      assert.equal(await pg01.value(NAMES), '');
      assert.equal(pg01.standIns.score, '1002', 'above the score that the last primary still has');
      assert.ok(await pg01.commits());
    });

    it('leaves the barrier to supervise with sync_mode=strict', async () => {
      await entitled();
      await pg01.ok('promote', { sync_mode: 'strict' });
      assert.equal((await cluster.record()).primary, 'pg01');
      assert.equal(await pg01.value(NAMES), BARRIER);
      assert.ok(!(await pg01.commits()));
    });

    it('nobody else', async () => {
      await entitled();
      await pg02.ok('start');
      await refuses(pg02, /entitles .*pg01.*, not pg02/);
    });

    it(
      'nobody while etcd does not answer, and Pacemaker tries another one then',
      { timeout: 120_000 },
      async () => {
        await entitled();
        pg01.standIns.forget();
        pg01.standIns.cut(true);
        const { said } = await pg01.expect('promote', OCF.generic);
        assert.match(said, /etcd \(http.*\) does not answer/);
        assert.equal(pg01.standIns.score, '-INFINITY');
        assert.equal(await pg01.value('SELECT pg_is_in_recovery()'), 'true');
      },
    );

    it('not with data older than where it was entitled', async () => {
      await pg01.ok('start');
      await cluster.put({ entitled: { pg01: 'FF/5000000' } });
      await refuses(pg01, /entitled at FF\/5000000 and has only/);
    });

    it('once: a second call is done at once', async () => {
      await entitled();
      await pg01.ok('promote');
      const before = await cluster.recordText();
      await pg01.ok('promote');
      assert.equal(await cluster.recordText(), before);
    });
  });

  describe('nobody by a record that was emptied (rule 17)', () => {
    it('that is lower than one it has seen', async () => {
      await entitled();
      await cluster.put({ counter: 9 });
      await pg01.ok('monitor');
      await cluster.put({ counter: 8 });
      await refuses(pg01, /has counter 8; this member has seen counter 9/);
    });

    it('that is gone though it has seen one', async () => {
      await entitled();
      await pg01.ok('monitor');
      await cluster.removeRecord();
      await refuses(pg01, /has no record .* though this member has seen one/);
    });

    it('that never was', async () => {
      await pg01.ok('start');
      await refuses(pg01, /there is no record of who may be promoted .* yet/);
    });

    it('of another system', async () => {
      await entitled();
      await cluster.put({ system: '7000000000000000001' });
      await refuses(pg01, /of another system than the record's 7000000000000000001/);
    });

    it('that names another system than the one it has seen', async () => {
      await entitled();
      await pg01.ok('monitor');
      await cluster.put({ system: '7000000000000000001' });
      await refuses(pg01, /is of the system 7000000000000000001; this member has seen one of/);
    });

    it('that is no record', async () => {
      await entitled();
      await cluster.putText('{"system":"1"}');
      await refuses(pg01, /is no record of who may be promoted/);
    });
  });

  describe('with the barrier (rule 7)', () => {
    it('which every start sets, whatever was there', async () => {
      appendFileSync(
        join(pg01.data, 'postgresql.auto.conf'),
        "synchronous_standby_names = ''\n  synchronous_standby_names='pg02'\nwork_mem = '5MB'\n",
      );
      await pg01.ok('start');
      assert.equal(await pg01.value(NAMES), BARRIER);
      assert.equal(await pg01.value('SHOW work_mem'), '5MB');
      assert.equal(await pg01.value('SELECT pg_is_in_recovery()'), 'true');
    });

    it('so that a commit waits until the promotion is confirmed', async () => {
      await entitled();
      const confirmation = pg01.standIns.transaction(2, 'hold');
      const promotion = pg01.begin('promote');
      await confirmation.reached();
      await pg01.gives('SELECT pg_is_in_recovery()', 'false');
      assert.ok(!(await pg01.commits()));
      const record = await cluster.record();
      assert.deepEqual([record.primary, record.timeline, record.claimant], ['pg01', 1, 'pg01']);
      confirmation.release();
      const { status, said } = await promotion.done;
      assert.equal(status, OCF.success, said);
      assert.ok(await pg01.commits());
    });

    it('under the lock of synchronous_standby_names, also when another session holds it', async () => {
      await entitled();
      const client = await pg01.connect();
      try {
        await client.query('SELECT pg_advisory_lock(1885823853)');
        await pg01.ok('promote');
        assert.equal((await cluster.record()).primary, 'pg01');
      } finally {
        await client.end().catch(() => undefined);
      }
    });
  });

  describe('only once for each number (rule 9)', () => {
    it('and steps down when another has claimed over it', async () => {
      await entitled();
      const confirmation = pg01.standIns.transaction(2, 'hold');
      const promotion = pg01.begin('promote');
      await confirmation.reached();
      await cluster.put({ claimant: 'pg02', claimed: 3, highest: 3 });
      confirmation.release();
      const { status, said } = await promotion.done;
      assert.equal(status, OCF.generic);
      assert.match(said, /stepped down: timeline 2 was not confirmed/);
      assert.deepEqual(pg01.processes, []);
      assert.equal((await cluster.record()).claimant, 'pg02');
    });

    it('and is refused its claim when the record was written meanwhile', async () => {
      await entitled();
      const claim = pg01.standIns.transaction(1, 'hold');
      const promotion = pg01.begin('promote');
      await claim.reached();
      await cluster.put({ entitled: {} });
      claim.release();
      const { status, said } = await promotion.done;
      assert.equal(status, OCF.generic);
      assert.match(said, /the claim of timeline 2 was refused/);
      assert.equal(await pg01.value('SELECT pg_is_in_recovery()'), 'true');
    });

    it('with placeholders for the numbers that are skipped, and a standby, a rewound member and a copy follow', async () => {
      await Promise.all([pg01.ok('start'), pg02.ok('start')]);
      await cluster.put({
        entitled: { pg01: await pg01.value('SELECT pg_last_wal_replay_lsn()') },
        highest: 6,
      });
      await pg01.ok('promote');
      assert.equal((await cluster.record()).timeline, 7);
      assert.match(readFileSync(join(pg01.data, 'pg_wal', '00000004.history'), 'utf8'), /^# reserved/);
      await pg02.streams();
      // One that has more than the next primary is rewound over another gap.
      await pg01.commits();
      await cluster.entitle('pg02');
      await pg02.crash();
      await pg01.value(
        `SELECT count(pg_logical_emit_message(false, 'pgcm', repeat('x', 9000))) FROM generate_series(1, 9)`,
      );
      await pg01.crash();
      await pg02.ok('start');
      await cluster.put({ highest: 9 });
      await pg02.ok('promote');
      assert.equal((await cluster.record()).timeline, 10);
      await pg01.ok('start');
      await pg01.streams();
      // A copy.
      await pg01.ok('stop');
      appendFileSync(join(pg01.state, 'touched'), 'rewind');
      await pg01.ok('start', { rebuild: 'yes' });
      await pg01.streams();
      assert.equal(await pg01.value('SELECT count(*) FROM t'), '1');
    });

    it('and a placeholder of a promotion that did not come is not taken for a history', async () => {
      await Promise.all([pg01.ok('start'), pg02.ok('start')]);
      const at = await pg01.value('SELECT pg_last_wal_replay_lsn()');
      await cluster.put({ entitled: { pg01: at, pg02: at }, highest: 6 });
      const confirmation = pg01.standIns.transaction(2, 'hold');
      const promotion = pg01.begin('promote');
      await confirmation.reached();
      // All of it is lost in the middle of it.
      kill(-promotion.pid);
      await pg01.end();
      await pg02.ok('promote');
      assert.equal((await cluster.record()).timeline, 8);
      await pg01.ok('start');
      await pg01.streams();
      assert.equal(await pg01.value('SELECT received_tli FROM pg_stat_wal_receiver'), '8');
    });

    it('and a member that lacks every lower history gets them: a primary has one for each number', async () => {
      await cluster.end();
      cluster = await world.cluster(['pg01', 'pg02', 'pg03']);
      const [one, two, three] = cluster.members;
      assert.ok(one && two && three);
      await Promise.all([one.ok('start'), two.ok('start')]);
      await cluster.put({
        entitled: { pg01: await one.value('SELECT pg_last_wal_replay_lsn()') },
        highest: 6,
      });
      await one.ok('promote');
      await two.gives('SELECT received_tli FROM pg_stat_wal_receiver', '7');
      const histories = ['2', '3', '4', '5', '6'].map((number) => `pg_wal/0000000${number}.history`);
      for (const file of histories) rmSync(join(two.data, file), { force: true });
      await cluster.entitle('pg02');
      await one.ok('stop');
      await two.ok('promote');
      await eventually(() => histories.every((file) => existsSync(join(two.data, file))), { limit: 60_000 });
      // It is on timeline 1, and asks for each history from there to the primary's.
      await three.ok('start');
      await three.gives('SELECT received_tli FROM pg_stat_wal_receiver', '8');
    });

    it('also when the member itself is promoted again after a stop in the middle', async () => {
      await entitled();
      const confirmation = pg01.standIns.transaction(2, 'hold');
      const promotion = pg01.begin('promote');
      await confirmation.reached();
      kill(-promotion.pid);
      await promotion.done;
      confirmation.release();
      // PostgreSQL takes writes, and no call has confirmed it.
      await pg01.gives('SELECT pg_is_in_recovery()', 'false');
      await pg01.expect('monitor', OCF.failedPromoted);
      const { said } = await pg01.expect('promote', OCF.generic);
      assert.match(said, /stepped down: .*the record does not name pg01 with it/);
      assert.deepEqual(pg01.processes, []);
      await pg01.ok('start');
      await pg01.ok('promote');
      const record = await cluster.record();
      assert.deepEqual([record.primary, record.timeline], ['pg01', 3]);
    });
  });

  describe('while others write the record', () => {
    it('a withdrawal between claim and confirmation is no claim over it', async () => {
      await entitled();
      const confirmation = pg01.standIns.transaction(2, 'hold');
      const promotion = pg01.begin('promote');
      await confirmation.reached();
      // As a member that withdraws itself: who was entitled beside it is gone, the claim stays.
      const { claimant, claimed } = await cluster.record();
      assert.deepEqual([claimant, claimed], ['pg01', 2]);
      await cluster.put({});
      confirmation.release();
      const { status, said } = await promotion.done;
      assert.equal(status, OCF.success, said);
      const record = await cluster.record();
      assert.deepEqual([record.primary, record.timeline, record.claimant], ['pg01', 2, '']);
      assert.ok(await pg01.commits());
    });
  });

  it('an old primary that is entitled still is promoted again on its way back (rule 10)', async () => {
    await cluster.up();
    await pg01.ok('demote');
    // Nobody else was: it does not wait for a successor.
    await pg01.ok('promote');
    const record = await cluster.record();
    assert.deepEqual([record.primary, record.timeline], ['pg01', 3]);
    assert.ok(await pg01.commits());
  });

  describe('with writes whose answer is lost (rule 1)', () => {
    it('a claim that was made is not claimed twice', async () => {
      await entitled();
      pg01.standIns.transaction(1, 'lose');
      await pg01.ok('promote');
      const record = await cluster.record();
      assert.deepEqual([record.primary, record.timeline, record.highest], ['pg01', 2, 2]);
    });

    it('a confirmation that was made is one', async () => {
      await entitled();
      pg01.standIns.transaction(2, 'lose');
      await pg01.ok('promote');
      assert.deepEqual((await cluster.record()).timeline, 2);
      assert.ok(await pg01.commits());
    });

    it('a claim that is made only after the next write changes nothing', async () => {
      await entitled();
      pg01.standIns.transaction(1, 'keep');
      await pg01.ok('promote');
      const before = await cluster.recordText();
      assert.match(await cluster.make(pg01.standIns.input(1)), /^(?!.*"succeeded":true)/);
      assert.equal(await cluster.recordText(), before);
    });

    it('a confirmation that no answer comes to is none: it steps down', { timeout: 180_000 }, async () => {
      await entitled();
      const confirmation = pg01.standIns.transaction(2, 'hold');
      const promotion = pg01.begin('promote');
      await confirmation.reached();
      pg01.standIns.cut(true);
      pg01.standIns.keepAll();
      confirmation.release();
      const { status, said } = await promotion.done;
      assert.equal(status, OCF.generic);
      assert.match(said, /stepped down: timeline 2 was not confirmed/);
      assert.deepEqual(pg01.processes, []);
    });
  });

  describe('and afterwards', () => {
    it('makes a checkpoint, which a rewind of others needs', async () => {
      await entitled();
      await pg01.ok('promote');
      await pg01.gives('SELECT timeline_id FROM pg_control_checkpoint()', '2');
    });

    it('there are slots for all other members', async () => {
      await entitled();
      await pg01.ok('promote');
      await pg01.gives('SELECT string_agg(slot_name, $$ $$) FROM pg_replication_slots', 'pg02');
    });

    it('keeps what it has seen outside the data directory', async () => {
      await entitled();
      await pg01.ok('promote');
      const file = join(pg01.state, 'highest');
      await eventually(() => existsSync(file) && / 2 3\n$/.test(readFileSync(file, 'utf8')), {
        limit: 60_000,
      });
    });
  });
});
