import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicationLook, Walsender } from '../../src/domain/replication.js';
import { WalsenderSilence } from '../../src/supervise/walsender-silence.js';

const walsender: Walsender = {
  ...{
    pid: 1,
    started: 'then',
    name: 'pg02',
    address: '10.0.0.2',
    slot: 'pg02',
    state: 'streaming',
    place: 1,
  },
  ...{ flushed: 100n, reply: 'a' },
};

const look = (parts: Partial<Walsender> = {}, statusInterval = 1_000, flushed = 200n): ReplicationLook => ({
  ...{ names: '', flushed, statusInterval },
  walsenders: [{ ...walsender, ...parts }],
});

/** Looks every 100 ms; says when the first silence is told, if any is. */
function silentAfter(lookAt: (ms: number) => ReplicationLook, until = 10_000): number | undefined {
  const silence = new WalsenderSilence();
  for (let ms = 0; ms <= until; ms += 100) if (silence.update(lookAt(ms), 5_000 + ms).size > 0) return ms;
  return undefined;
}

describe('a silent walsender', () => {
  it('is one that has not acknowledged WAL for two seconds', () => {
    assert.equal(
      silentAfter(() => look()),
      2_000,
    );
  });

  it('is none as long as its standby says something, however far it is behind', () => {
    assert.equal(
      silentAfter((ms) => look({ reply: String(Math.floor(ms / 1_000)) })),
      undefined,
    );
  });

  it('without anything to acknowledge may be silent for twice its interval longer', () => {
    const idle = { flushed: 200n };
    assert.equal(
      silentAfter(() => look(idle)),
      4_000,
    );
    assert.equal(
      silentAfter(() => look(idle, 10_000), 20_000),
      undefined,
    );
    assert.equal(
      silentAfter(() => look(idle, 0), 60_000),
      undefined,
    );
  });

  it('gets its time when there is something to acknowledge after a long silence', () => {
    const after = (ms: number): ReplicationLook => look({ flushed: 200n }, 0, ms < 5_000 ? 200n : 300n);
    assert.equal(silentAfter(after), 6_500);
  });

  it('is not told of when it is this process that did not look', () => {
    const silence = new WalsenderSilence();
    assert.equal(silence.update(look(), 1_000).size, 0);
    assert.equal(silence.update(look(), 60_000).size, 0);
  });

  it('is another one when it was started anew', () => {
    assert.equal(
      silentAfter((ms) => look({ started: ms < 1_500 ? 'then' : 'later' })),
      3_500,
    );
  });

  it('is told of once, though it takes a moment to go', () => {
    const silence = new WalsenderSilence();
    let told = 0;
    for (let ms = 0; ms <= 5_000; ms += 100) told += silence.update(look(), ms).size;
    assert.equal(told, 1);
  });

  it('of a base backup is left alone', () => {
    assert.equal(
      silentAfter(() => look({ state: 'backup' })),
      undefined,
    );
  });
});
