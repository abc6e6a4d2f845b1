import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { BouncerDatabase, PauseScope } from '../../src/domain/bouncer.js';
import { hasCode } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { PauseKeeper } from '../../src/pausing/pause-keeper.js';
import type { PauseReason } from '../../src/pausing/pause-reasons.js';
import { FakeBouncer } from '../fakes/bouncer.js';
import { FakeLog } from '../fakes/log.js';
import { eventually, stays } from '../support/eventually.js';

const never = new AbortController().signal;
const old = parseAddress('10.77.0.11');
const target = parseAddress('10.77.0.12');

function leading(host: string): readonly BouncerDatabase[] {
  return [{ name: 'app', host, port: 5432, paused: false }];
}

describe('pause keeper', () => {
  let bouncers: readonly [FakeBouncer, FakeBouncer];
  let log: FakeLog;
  let life: AbortController;
  let running: Promise<void>;
  let keeper: PauseKeeper;
  let scope: PauseScope;
  let mayLift: boolean;

  function live(timeout = 1_000): void {
    life = new AbortController();
    keeper = new PauseKeeper({
      bouncers,
      timeout,
      log,
      scope: () => scope,
      mayLift: () => Promise.resolve(mayLift),
      lookInterval: 20,
      loginRetryRestoredAfter: 100,
    });
    running = keeper.run(life.signal);
  }

  const paused = (): readonly boolean[] => bouncers.map((b) => b.paused);
  const pause = (timeout: number, expiry: number | 'never'): Promise<void> =>
    keeper.pause({ timeout, expiry }, old, never);

  beforeEach(() => {
    bouncers = [new FakeBouncer(leading(old), 'one'), new FakeBouncer(leading(old), 'two')];
    log = new FakeLog();
    scope = 'all';
    mayLift = true;
    live();
  });
  afterEach(async () => {
    life.abort();
    await running;
  });

  it('pauses every bouncer, and lifts the pause by itself at its expiry', async () => {
    await pause(1_000, 1_000);
    assert.deepEqual(paused(), [true, true]);
    await eventually(() => paused().every((p) => !p));
    assert.equal(log.of(events.pgbouncerPauseExpired).length, 1);
  });

  it('pauses all or none: one that cannot be paused lets the others go on', async () => {
    bouncers[1].openTransactions = 1;
    await assert.rejects(pause(50, 10_000), (error) => hasCode(error, 'timed-out'));
    assert.deepEqual(paused(), [false, false]);
    assert.equal(keeper.paused, false);
  });

  it('defect 4: a resume cancels the expiry, so that it cannot cut a later pause short', async () => {
    await pause(1_000, 800);
    await keeper.resume(undefined, 1_000, never);
    await pause(1_000, 10_000);
    await stays(() => paused().every((p) => p), 1_000);
  });

  it('defect 4: a later pause starts the expiry anew', async () => {
    await pause(1_000, 800);
    await pause(1_000, 10_000);
    await stays(() => paused().every((p) => p), 1_000);
  });

  it('defect 4: a pause whose daemon died is lifted when the daemon is there again', async () => {
    life.abort();
    await running;
    // What a SIGKILL leaves behind: PgBouncer keeps the pause of a console that is gone.
    for (const bouncer of bouncers) bouncer.paused = true;
    live();
    await eventually(() => paused().every((p) => !p));
    assert.equal(log.of(events.pgbouncerLeftoverPause).length, 2);
  });

  it('lifts a leftover pause also when PgBouncer could not be reached at the start', async () => {
    life.abort();
    await running;
    for (const bouncer of bouncers) bouncer.paused = true;
    bouncers[0].stop();
    live();
    await eventually(() => log.of(events.pgbouncerError).length > 0);
    // Not start(): a restarted PgBouncer would have forgotten the pause.
    bouncers[0].thaw();
    await eventually(() => paused().every((p) => !p));
  });

  it('lifts its pause when it is told to stop', async () => {
    await pause(1_000, 'never');
    life.abort();
    await running;
    assert.deepEqual(paused(), [false, false]);
  });

  it('goes on trying when PgBouncer cannot be reached at the expiry', async () => {
    await pause(1_000, 50);
    bouncers[0].freeze();
    await eventually(() => log.of(events.pgbouncerPauseExpired).length === 1);
    bouncers[0].thaw();
    await eventually(() => paused().every((p) => !p));
  });

  it('resumes towards a target only once every bouncer leads there', async () => {
    await pause(1_000, 10_000);
    const resumed = keeper.resume(target, 10_000, never);
    for (const bouncer of bouncers) {
      await stays(() => paused().every((p) => p), 50);
      bouncer.file = () => leading(target);
      await bouncer.reload(never);
    }
    await resumed;
    assert.deepEqual(paused(), [false, false]);
  });

  it('refuses to resume while a bouncer leads elsewhere, says where, and keeps the pause', async () => {
    await pause(1_000, 10_000);
    await assert.rejects(
      keeper.resume(target, 50, never),
      (error) => hasCode(error, 'refused') && /one still leads app to 10\.77\.0\.11/.test(error.message),
    );
    assert.deepEqual(paused(), [true, true]);
  });

  it('is idempotent: a resume of what is not paused is done', async () => {
    await keeper.resume(undefined, 1_000, never);
    await keeper.resume(undefined, 1_000, never);
  });

  it('makes logins be tried again soon while paused, also after a RELOAD', async () => {
    await pause(1_000, 10_000);
    for (const bouncer of bouncers) {
      await eventually(async () => (await bouncer.setting('server_login_retry', never)) === '0.1');
      await bouncer.reload(never);
    }
    await keeper.resume(undefined, 1_000, never);
    for (const bouncer of bouncers) assert.equal(await bouncer.setting('server_login_retry', never), '0.1');
  });

  const loginRetry = (): Promise<string> => bouncers[0].setting('server_login_retry', never);

  it("brings the site's server_login_retry back a while after the resume", async () => {
    await pause(1_000, 10_000);
    await keeper.resume(undefined, 1_000, never);
    await eventually(async () => (await loginRetry()) === '15');
  });

  it('brings it back also after a resume of what was not paused', async () => {
    await keeper.resume(undefined, 1_000, never);
    await eventually(async () => (await loginRetry()) === '15');
  });

  it('does not bring it back during the next pause, however many resumes there were before', async () => {
    await pause(1_000, 10_000);
    await keeper.resume(undefined, 1_000, never);
    await keeper.resume(undefined, 1_000, never);
    await pause(1_000, 10_000);
    await eventually(async () => (await loginRetry()) === '0.1');
    await stays(async () => (await loginRetry()) === '0.1', 250);
    await keeper.resume(undefined, 1_000, never);
    await eventually(async () => (await loginRetry()) === '15');
  });

  it('lifts a pause at its expiry also while it still waits for transactions', async () => {
    bouncers[1].openTransactions = 1;
    await assert.rejects(pause(60_000, 50), (error) => hasCode(error, 'timed-out'));
    assert.deepEqual(paused(), [false, false]);
    assert.equal(keeper.paused, false);
    assert.equal(log.of(events.pgbouncerPauseExpired).length, 0, 'it was never complete');
  });

  it('leaves no PAUSE under way when another bouncer has failed', async () => {
    bouncers[0].stop();
    // Its console answers only after the other one has failed.
    bouncers[1].freeze();
    const failed = assert.rejects(pause(1_000, 'never'), (error) => hasCode(error, 'unavailable'));
    setTimeout(() => bouncers[1].thaw(), 50);
    await failed;
    await stays(() => !bouncers[1].paused, 100);
    bouncers[0].start();
    await eventually(() => !keeper.paused);
  });

  it('touches nothing for a caller that gave up while it waited for its turn', async () => {
    await pause(1_000, 10_000);
    await assert.rejects(keeper.pause({ timeout: 1_000, expiry: 1_000 }, old, AbortSignal.abort()), (error) =>
      hasCode(error, 'aborted'),
    );
    assert.deepEqual(paused(), [true, true], 'the pause of somebody else goes on');
  });

  it('refuses a pause that comes when it is stopping', async () => {
    life.abort();
    await running;
    await assert.rejects(pause(1_000, 'never'), (error) => hasCode(error, 'unavailable'));
    assert.deepEqual(paused(), [false, false]);
  });

  it('says an expired pause that cannot be lifted once, and not at every try', async () => {
    await pause(1_000, 50);
    bouncers[0].stop();
    const told = (): number =>
      log.of(events.pgbouncerError).filter(({ tried }) => tried !== undefined).length;
    await eventually(() => told() === 1);
    const tries = bouncers[1].count('RESUME');
    await eventually(() => bouncers[1].count('RESUME') > tries + 2);
    assert.equal(told(), 1);
    bouncers[0].thaw();
    await eventually(() => !keeper.paused);
  });

  it('resumes towards a target although other entries of the site always lead to the old primary', async () => {
    const fixed = { name: 'pg01_direct', host: old, port: 5432, paused: false };
    for (const bouncer of bouncers) {
      bouncer.file = () => [fixed, ...leading(old)];
      await bouncer.reload(never);
    }
    await pause(1_000, 10_000);
    for (const bouncer of bouncers) {
      bouncer.file = () => [fixed, ...leading(target)];
      await bouncer.reload(never);
    }
    await keeper.resume(target, 1_000, never);
    assert.deepEqual(paused(), [false, false]);
  });

  it('does not take an entry that always leads to the target for the route', async () => {
    const fixed = { name: 'pg02_direct', host: target, port: 5432, paused: false };
    for (const bouncer of bouncers) {
      bouncer.file = () => [fixed, ...leading(old)];
      await bouncer.reload(never);
    }
    await pause(1_000, 10_000);
    await assert.rejects(keeper.resume(target, 50, never), (error) => hasCode(error, 'refused'));
    assert.deepEqual(paused(), [true, true]);
  });

  it('resumes a bouncer that shows no database, as one does that has only * and no client yet', async () => {
    for (const bouncer of bouncers) {
      bouncer.file = () => [];
      await bouncer.reload(never);
    }
    await pause(1_000, 10_000);
    await keeper.resume(target, 1_000, never);
    assert.deepEqual(paused(), [false, false]);
  });

  it('goes on looking while a bouncer that shall lead to the target restarts', async () => {
    await pause(1_000, 10_000);
    for (const bouncer of bouncers) bouncer.file = () => leading(target);
    await bouncers[0].reload(never);
    bouncers[1].stop();
    const resumed = keeper.resume(target, 10_000, never);
    await stays(() => bouncers[0].paused, 50);
    bouncers[1].start();
    await resumed;
    assert.deepEqual(paused(), [false, false]);
  });

  const hold = (reason: PauseReason, ms = 10_000): Promise<void> =>
    keeper.hold(reason, { timeout: 1_000, endsAt: performance.now() + ms }, undefined, never);

  it('lets clients go on only when no reason is left', async () => {
    await hold('request:a');
    await pause(1_000, 10_000);
    assert.deepEqual(keeper.news.value.reasons, ['request:a', 'api']);
    await keeper.resume(undefined, 1_000, never);
    assert.equal(await keeper.release('request:b', never), 'held');
    await stays(() => paused().every((p) => p), 50);
    assert.equal(await keeper.release('request:a', never), 'running');
    assert.deepEqual(paused(), [false, false]);
    assert.deepEqual(keeper.news.value.reasons, []);
  });

  it('gives each reason its own end', async () => {
    await hold('request:a', 50);
    await hold('request:b', 300);
    await eventually(() => log.of(events.pgbouncerPauseExpired).length === 1);
    assert.deepEqual(keeper.news.value.reasons, ['request:b']);
    await stays(() => paused().every((p) => p), 100);
    await eventually(() => paused().every((p) => !p));
  });

  it('counts pauses by what asked for them, each once', async () => {
    await hold('request:a', 50);
    await pause(1_000, 10_000);
    await pause(1_000, 10_000);
    await keeper.hold('hold', { timeout: 'none', endsAt: performance.now() + 10_000 }, undefined, never);
    await eventually(() => log.of(events.pgbouncerPauseExpired).length === 1);
    await keeper.release('hold', never);
    await hold('request:b');
    assert.deepEqual(Object.fromEntries(keeper.begun), { request: 2, api: 1, hold: 1 });
    assert.deepEqual(Object.fromEntries(keeper.expired), { request: 1, api: 0, hold: 0 });
  });

  it('keeps the pause for one reason when that for another cannot be had', async () => {
    await hold('request:a');
    bouncers[0].openTransactions = 1;
    const failed = keeper.hold(
      'request:b',
      { timeout: 20, endsAt: performance.now() + 10_000 },
      undefined,
      never,
    );
    await assert.rejects(failed, (error) => hasCode(error, 'timed-out'));
    bouncers[0].endTransaction();
    await eventually(() => paused().every((p) => p));
    assert.deepEqual(keeper.news.value.reasons, ['request:a']);
  });

  for (const which of ['all', ['app']] as const) {
    it(`pauses a PgBouncer again that restarted in the middle (${String(which)})`, async () => {
      scope = which;
      await hold('request:a');
      bouncers[1].stop();
      bouncers[1].start();
      assert.deepEqual(paused(), [true, false]);
      await eventually(() => paused().every((p) => p));
      await keeper.release('request:a', never);
      await stays(() => paused().every((p) => !p), 100);
    });
  }

  it('ends a second pause of a restarted PgBouncer, which waits for a transaction, with its reason', async () => {
    scope = ['app'];
    await hold('request:a');
    bouncers[1].stop();
    bouncers[1].openTransactions = 1;
    bouncers[1].start();
    await eventually(() => bouncers[1].paused);
    await keeper.release('request:a', never);
    assert.deepEqual(paused(), [false, false]);
  });

  it('pauses only the databases that lead to the primary', async () => {
    scope = ['app'];
    await hold('request:a');
    assert.equal(bouncers[0].count('PAUSE app'), 1);
    assert.equal(bouncers[0].count('PAUSE'), 0);
  });

  it('tells how many clients wait, and how long the longest one did', async () => {
    const row = { database: 'app', user: 'app', servers: 0, poolMode: undefined };
    await hold('request:a');
    bouncers[0].waiting = [{ ...row, clientsWaiting: 3, longestWait: 40 }];
    await eventually(() => keeper.news.value.clientsWaiting === 3);
    bouncers[0].freeze();
    const seen = performance.now();
    setTimeout(() => bouncers[0].thaw(), 60);
    await keeper.release('request:a', never);
    const { clientsWaiting, longestWait } = keeper.news.value;
    assert.equal(clientsWaiting, 0);
    assert.ok(longestWait >= 40 && longestWait <= 41 + performance.now() - seen + 60, String(longestWait));
  });

  describe('a hold, which waits for nobody', () => {
    const holdNow = (ms = 10_000): Promise<void> =>
      keeper.hold('hold', { timeout: 'none', endsAt: performance.now() + ms }, undefined, never);
    const release = (): Promise<'running' | 'held'> => keeper.release('hold', never);

    for (const which of ['all', ['app']] as const) {
      it(`holds the clients of one when the other is down, and of that one when it is back (${String(which)})`, async () => {
        scope = which;
        bouncers[1].stop();
        await holdNow();
        assert.deepEqual(keeper.news.value.reasons, ['hold']);
        const told = (): number =>
          log.of(events.pgbouncerError).filter(({ bouncer }) => bouncer === 'two').length;
        await eventually(() => told() > 0);
        await stays(() => bouncers[0].paused, 200);
        assert.deepEqual([told(), bouncers[0].count('RESUME')], [1, 1], 'the RESUME is that of the start');
        bouncers[1].openTransactions = 1;
        bouncers[1].start();
        await eventually(() => bouncers[1].paused);
        // Open transactions are not waited for, so the looks go on.
        const looks = bouncers[0].count('SHOW POOLS');
        await eventually(() => bouncers[0].count('SHOW POOLS') > looks + 1);
        assert.equal(await release(), 'running');
        await stays(() => paused().every((p) => !p), 100);
      });
    }

    it('does not wait for one that is frozen, when the other holds its clients', async () => {
      life.abort();
      await running;
      bouncers[1].freeze();
      live(60_000);
      await holdNow();
      assert.deepEqual(paused(), [true, false]);
      bouncers[1].thaw();
      await eventually(() => paused().every((p) => p));
    });

    it('fails when none can be held', async () => {
      for (const bouncer of bouncers) bouncer.stop();
      await assert.rejects(holdNow(), (error) => hasCode(error, 'unavailable'));
      for (const bouncer of bouncers) bouncer.start();
      await eventually(() => !keeper.paused);
      assert.deepEqual(paused(), [false, false]);
    });

    it('lets the living go when one is down, and that one when it is back', async () => {
      await holdNow();
      bouncers[1].stop();
      assert.equal(await release(), 'running');
      assert.deepEqual([keeper.paused, keeper.news.value.reasons], [false, []]);
      await stays(() => !bouncers[0].paused, 200);
      // Not start(): that it was only out of reach, and has its pause still, is the point.
      assert.equal(bouncers[1].paused, true);
      bouncers[1].thaw();
      await eventually(() => !bouncers[1].paused);
      const resumes = bouncers.map((bouncer) => bouncer.count('RESUME'));
      await stays(() => bouncers.every((bouncer, at) => bouncer.count('RESUME') === resumes[at]), 100);
    });

    it('lets the living go at its end, too', async () => {
      await holdNow(300);
      bouncers[1].stop();
      await eventually(() => !bouncers[0].paused);
      await stays(() => !bouncers[0].paused, 200);
      assert.equal(keeper.paused, false);
    });

    it('holds again one that has not been let go yet', async () => {
      await holdNow();
      bouncers[1].stop();
      await release();
      await holdNow();
      bouncers[1].thaw();
      await stays(() => paused().every((p) => p), 200);
      await release();
      assert.deepEqual(paused(), [false, false]);
    });

    it('ends with its daemon although one is down', async () => {
      await holdNow();
      bouncers[1].stop();
      life.abort();
      await running;
      assert.equal(bouncers[0].paused, false);
    });
  });

  it('does not pause anybody again who was let go, while another one cannot be told yet', async () => {
    await pause(1_000, 'never');
    bouncers[1].stop();
    await assert.rejects(keeper.resume(undefined, 1_000, never), (error) => hasCode(error, 'unavailable'));
    await stays(() => !bouncers[0].paused, 200);
    bouncers[1].thaw();
    await keeper.resume(undefined, 1_000, never);
    assert.deepEqual(paused(), [false, false]);
  });

  it("does not lift at its start what is somebody else's", async () => {
    life.abort();
    await running;
    bouncers[0].paused = true;
    mayLift = false;
    live();
    await stays(() => bouncers[0].paused, 50);
  });
});
