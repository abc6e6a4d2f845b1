import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sdNotify } from '../../src/runtime/sd-notify.js';
import { Vitals } from '../../src/runtime/vitals.js';
import { eventually } from '../support/eventually.js';

describe('the vitals of a daemon', () => {
  it('name a loop that has been silent for too long, until it turns again', async () => {
    const vitals = new Vitals();
    const turn = vitals.watch('publishing', 400);
    vitals.watch('patient', 60_000);
    turn();
    assert.equal(vitals.stuck, undefined);
    await eventually(() => vitals.stuck !== undefined);
    assert.match(String(vitals.stuck), /^publishing: nothing has happened for \d+ms$/);
    turn();
    assert.equal(vitals.stuck, undefined);
    assert.deepEqual(
      vitals.silences.map(([name]) => name),
      ['publishing', 'patient'],
    );
  });

  it('keep the messages to the watchdog back while a loop is stuck', async () => {
    const vitals = new Vitals();
    vitals.watch('publishing', 0);
    const errors: string[] = [];
    const life = new AbortController();
    const service = sdNotify(
      { NOTIFY_SOCKET: '/nonexistent', WATCHDOG_USEC: '30000' },
      (error) => errors.push(String(error)),
      { stuck: () => vitals.stuck },
    );
    const running = service?.run(life.signal);
    await eventually(() => errors.filter((text) => text.includes('publishing: nothing')).length >= 2);
    assert.deepEqual(
      errors.filter((text) => text.includes('WATCHDOG=1')),
      [],
    );
    life.abort();
    await running;
  });
});
