import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { Probe } from '../../src/domain/node-api.js';
import type { Postgres, PostgresState } from '../../src/domain/postgres.js';
import { RoleWatch } from '../../src/supervise/role-watch.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';

class FakePostgres implements Pick<Postgres, 'state' | 'probe'> {
  now: Probe | 'down' = 'down';
  asked = 0;
  probed = 0;

  async state(): Promise<PostgresState> {
    this.asked += 1;
    return { inRecovery: (await this.#answer()).inRecovery };
  }

  probe(): Promise<Probe> {
    this.probed += 1;
    return this.#answer();
  }

  #answer(): Promise<Probe> {
    return this.now === 'down'
      ? Promise.reject(new PgcmError('unavailable', 'PostgreSQL is down'))
      : Promise.resolve(this.now);
  }
}

const standby = (timeline: number): Probe => ({ inRecovery: true, timeline, takesWrites: false });
const primary = (timeline: number): Probe => ({ inRecovery: false, timeline, takesWrites: true });

describe('role watch', () => {
  let postgres: FakePostgres;
  let log: FakeLog;
  let watch: RoleWatch;
  let changes: number;
  let losses: number;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    postgres = new FakePostgres();
    log = new FakeLog();
    changes = 0;
    losses = 0;
    watch = new RoleWatch({
      postgres,
      log,
      onChange: () => (changes += 1),
      onLost: () => (losses += 1),
    });
    // So that the test need not wait for the slow pace.
    watch.expectPromotion();
    stop = new AbortController();
    running = watch.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  /** It has asked at least once after this. */
  async function becomes(now: FakePostgres['now']): Promise<void> {
    postgres.now = now;
    const { asked } = postgres;
    watch.expectPromotion();
    await eventually(() => postgres.asked > asked + 1);
  }

  it('sees a promotion under its eyes, and tells it', async () => {
    await becomes(standby(1));
    assert.equal(watch.promotedSince !== undefined, false);
    await becomes(primary(2));
    assert.equal(watch.promotedSince !== undefined, true);
    assert.equal(changes, 2);
    assert.deepEqual(
      log.of(events.roleChange).map((line) => [line['role'], line['timeline']]),
      [
        ['standby', 1],
        ['primary', 2],
      ],
    );
  });

  it('does not take a primary that it finds, or that restarted on its timeline, for promoted', async () => {
    await becomes(primary(2));
    assert.equal(watch.promotedSince !== undefined, false);
    await becomes('down');
    await becomes(primary(2));
    assert.equal(watch.promotedSince !== undefined, false);
  });

  it('does not count a promotion until it takes writes', async () => {
    await becomes(standby(1));
    await becomes({ inRecovery: false, timeline: 2, takesWrites: false });
    assert.equal(watch.promotedSince !== undefined, false);
    await becomes(primary(2));
    assert.equal(watch.promotedSince !== undefined, true);
  });

  it('forgets a promotion when PostgreSQL is down, and when it is a standby again', async () => {
    await becomes(standby(1));
    await becomes(primary(2));
    await becomes('down');
    assert.equal(watch.promotedSince !== undefined, false);
    await becomes(standby(2));
    await becomes(primary(3));
    assert.equal(watch.promotedSince !== undefined, true);
    await becomes(standby(3));
    assert.equal(watch.promotedSince !== undefined, false);
  });

  it('does not tell of a settled promotion again, also after a crash, but of the next one', async () => {
    await becomes(standby(1));
    await becomes(primary(2));
    watch.settle();
    await becomes(primary(2));
    assert.equal(watch.promotedSince !== undefined, false);
    await becomes('down');
    await becomes(primary(2));
    assert.equal(watch.promotedSince !== undefined, false);
    await becomes(standby(2));
    await becomes(primary(3));
    assert.equal(watch.promotedSince !== undefined, true);
  });

  it('keeps what it knows of a standby that is settled too early', async () => {
    await becomes(standby(1));
    watch.settle();
    await becomes(primary(2));
    assert.equal(watch.promotedSince !== undefined, true);
  });

  it('tells once of a primary that cannot be reached any more, and not of a standby', async () => {
    await becomes(standby(1));
    await becomes('down');
    assert.equal(losses, 0);
    await becomes(primary(2));
    await becomes('down');
    await becomes('down');
    assert.equal(losses, 1);
    await becomes(primary(2));
    await becomes('down');
    assert.equal(losses, 2);
  });

  it('asks at once when it is told to', async () => {
    await becomes(primary(2));
    const { asked } = postgres;
    postgres.now = 'down';
    watch.now();
    await eventually(() => losses === 1, { limit: 10_000 });
    assert.ok(postgres.asked > asked);
  });

  it('a wait for the promotion ends with it, and with its time; what was seen before does not count', async () => {
    await becomes(primary(1));
    assert.equal(await watch.promoted(20, stop.signal), 'timed-out');
    await becomes(standby(1));
    assert.equal(await watch.promoted(20, stop.signal), 'timed-out');
    const wait = watch.promoted(60_000, stop.signal);
    await becomes(primary(2));
    assert.deepEqual(await wait, primary(2));
    await becomes(standby(2));
    const interrupted = watch.promoted(60_000, stop.signal);
    stop.abort();
    assert.equal(await interrupted, 'aborted');
  });

  it('asks for nothing but the state while nothing changes', async () => {
    await becomes(standby(1));
    const { probed } = postgres;
    await becomes(standby(1));
    assert.equal(postgres.probed, probed);
  });

  it('asks in haste, but leaves the machine alone for twice as long as an answer takes', async () => {
    const took = 30;
    const began: number[] = [];
    stop.abort();
    await running;
    const done = new AbortController();
    const slow = {
      state: async (): Promise<PostgresState> => {
        if (began.push(performance.now()) === 4) done.abort();
        await new Promise((resolve) => setTimeout(resolve, took));
        return { inRecovery: true };
      },
      probe: () => Promise.resolve(standby(1)),
    };
    const patient = new RoleWatch({ postgres: slow, log, onChange: () => undefined });
    patient.expectPromotion();
    await patient.run(done.signal);
    const turns = began.slice(1).map((at, index) => at - (began[index] ?? 0));
    // A timer may be a millisecond early by this clock, each of the two.
    for (const turn of turns) assert.ok(turn >= 3 * took - 4, `${turns.join(', ')} ms`);
  });
});
