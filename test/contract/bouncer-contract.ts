import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { LOGIN_RETRY_WHILE_PAUSED, type Bouncer } from '../../src/domain/bouncer.js';
import { hasCode } from '../../src/domain/errors.js';
import { eventually } from '../support/eventually.js';

/** A Bouncer with one database `app`, and what a test does to it from outside. */
export interface BouncerBench {
  readonly bouncer: Bouncer;
  /** Changes where its config file leads `app`, without telling it. */
  editFile(host: string): void | Promise<void>;
  /** Makes its config file unreadable for it. */
  breakFile(): void | Promise<void>;
  /** A client begins a transaction. */
  openTransaction(): Promise<{ end(): void | Promise<void> }>;
  freeze(): void;
  thaw(): void;
  stop(): void | Promise<void>;
  start(): void | Promise<void>;
  close(): void | Promise<void>;
}

const FIRST = '127.0.0.1';
const SECOND = '127.0.0.2';
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

/** What every Bouncer does, PgBouncer's own adapter as well as the fake that other tests rely on. */
export function bouncerContract(name: string, open: (host: string) => Promise<BouncerBench>): void {
  describe(`${name}, as a Bouncer`, () => {
    let bench: BouncerBench;
    let bouncer: Bouncer;

    let alive: NodeJS.Timeout;

    before(async () => {
      // The timers of AbortSignal.timeout do not keep a process alive, and a fake has nothing else.
      alive = setInterval(() => undefined, 1_000);
      bench = await open(FIRST);
      bouncer = bench.bouncer;
    });
    afterEach(async () => {
      bench.thaw();
      await bouncer.resume(soon());
      await bench.editFile(FIRST);
      await bouncer.reload(soon());
    });
    after(async () => {
      clearInterval(alive);
      await bench.close();
    });

    it('shows its databases, without the console itself', async () => {
      const databases = await bouncer.databases(soon());
      assert.deepEqual(
        databases.map(({ name: database, host, paused }) => ({ database, host, paused })),
        [{ database: 'app', host: FIRST, paused: false }],
      );
    });

    it('holds new statements at once, whatever transaction is open, until a resume', async () => {
      const transaction = await bench.openTransaction();
      await bouncer.hold(['app'], soon());
      const isPaused = async (): Promise<boolean> =>
        (await bouncer.databases(soon())).every(({ paused }) => paused);
      assert.equal(await isPaused(), true);
      await bouncer.hold(['app'], soon());
      await transaction.end();
      assert.equal(await isPaused(), true);
      // It is a pause like any other: one that waits for transactions finds that there are none.
      await bouncer.pause(['app'], soon());
      assert.equal(await bouncer.resume(soon()), 'resumed');
      assert.equal(await isPaused(), false);
      await bouncer.hold('all', soon());
      assert.equal(await bouncer.resume(soon()), 'resumed');
      await bouncer.hold(['none'], soon());
      assert.equal(await bouncer.resume(soon()), 'was-not-paused');
    });

    it('takes a pause twice as done, and says whether a resume lifted one', async () => {
      await bouncer.pause('all', soon());
      await bouncer.pause('all', soon());
      assert.equal(await bouncer.resume(soon()), 'resumed');
      assert.equal(await bouncer.resume(soon()), 'was-not-paused');
    });

    it('pauses single databases, says which are, and lifts them as well as a pause of all', async () => {
      const paused = async (): Promise<unknown> =>
        (await bouncer.databases(soon())).map(({ name: database, paused: is }) => [database, is]);
      await bouncer.pause(['app', 'there is "none"'], soon());
      await bouncer.pause(['app'], soon());
      assert.deepEqual(await paused(), [['app', true]]);
      await bouncer.reload(soon());
      assert.deepEqual(await paused(), [['app', true]]);
      await bouncer.pause('all', soon());
      assert.equal(await bouncer.resume(soon()), 'resumed');
      assert.deepEqual(await paused(), [['app', false]]);
      assert.equal(await bouncer.resume(soon()), 'was-not-paused');
    });

    it('takes a pause of a single database back that is given up', async () => {
      const transaction = await bench.openTransaction();
      await assert.rejects(bouncer.pause(['app'], AbortSignal.timeout(100)), (error) =>
        hasCode(error, 'aborted'),
      );
      assert.equal(await bouncer.resume(soon()), 'was-not-paused');
      await transaction.end();
    });

    it('ends a pause only when the open transaction has ended', async () => {
      const transaction = await bench.openTransaction();
      let done = false;
      const pause = bouncer.pause('all', soon()).then(() => (done = true));
      // Whatever is asked afterwards is answered while the pause still waits.
      await bouncer.setting('server_login_retry', soon());
      assert.equal(done, false);
      await transaction.end();
      await pause;
      assert.equal(await bouncer.resume(soon()), 'resumed');
    });

    it('takes a pause back that is given up', async () => {
      const transaction = await bench.openTransaction();
      await assert.rejects(bouncer.pause('all', AbortSignal.timeout(100)), (error) =>
        hasCode(error, 'aborted'),
      );
      assert.equal(await bouncer.resume(soon()), 'was-not-paused');
      await transaction.end();
    });

    it('reads its file at a RELOAD, and says yes to a broken one', async () => {
      await bench.editFile(SECOND);
      assert.equal((await bouncer.databases(soon()))[0]?.host, FIRST);
      await bouncer.reload(soon());
      await eventually(async () => (await bouncer.databases(soon()))[0]?.host === SECOND);
      await bench.breakFile();
      await bouncer.reload(soon());
      assert.equal((await bouncer.databases(soon()))[0]?.host, SECOND);
    });

    it('keeps a setting until the next RELOAD', async () => {
      assert.equal(await bouncer.setting('server_login_retry', soon()), '15');
      await bouncer.set('server_login_retry', LOGIN_RETRY_WHILE_PAUSED, soon());
      assert.equal(await bouncer.setting('server_login_retry', soon()), LOGIN_RETRY_WHILE_PAUSED);
      await bouncer.reload(soon());
      assert.equal(await bouncer.setting('server_login_retry', soon()), '15');
      await assert.rejects(bouncer.setting('no_such_setting', soon()), (error) =>
        hasCode(error, 'invalid-answer'),
      );
    });

    it('ends a command with its signal while it is frozen', async () => {
      bench.freeze();
      await assert.rejects(bouncer.databases(AbortSignal.timeout(50)), (error) => hasCode(error, 'aborted'));
      bench.thaw();
      assert.equal((await bouncer.databases(soon())).length, 1);
    });

    it('is unavailable while it is down, and comes back with its file read and no pause', async () => {
      await bouncer.pause('all', soon());
      await bench.editFile(SECOND);
      await bench.stop();
      for (const command of [
        () => bouncer.databases(soon()),
        () => bouncer.pause('all', soon()),
        () => bouncer.resume(soon()),
        () => bouncer.reload(soon()),
      ]) {
        await assert.rejects(command, (error) => hasCode(error, 'unavailable'));
      }
      await bench.start();
      assert.equal((await bouncer.databases(soon()))[0]?.host, SECOND);
      assert.equal(await bouncer.resume(soon()), 'was-not-paused');
    });
  });
}
