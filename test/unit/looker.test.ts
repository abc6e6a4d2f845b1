import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { monotonic } from '../../src/runtime/clock.js';
import { Addresses } from '../../src/supervise/addresses.js';
import { Looker } from '../../src/supervise/looker.js';
import { FakeManager } from '../fakes/manager.js';
import { eventually } from '../support/eventually.js';

describe('looking at the cluster manager', () => {
  it('leaves the machine alone for as long as a look takes, however soon the next one should come', async () => {
    const looks: { began: number; ended: number }[] = [];
    const done = new AbortController();
    const manager = new FakeManager();
    const slow: Pick<FakeManager, 'look'> = {
      look: async () => {
        const began = monotonic();
        await delay(60);
        looks.push({ began, ended: monotonic() });
        if (looks.length === 4) done.abort();
        return manager.topology;
      },
    };
    const looker = new Looker({
      manager: slow,
      addresses: new Addresses(manager),
      published: () => undefined,
      pollInterval: 10_000,
      onLook: () => undefined,
    });
    const running = looker.run(done.signal);
    await delay(1);
    // While it looks, so the next look comes at once (publisher.test.ts); from then on the pace is that of settling, 30 ms.
    looker.hurry();
    await running;
    const pauses = looks.slice(1).map(({ began }, index) => began - (looks[index]?.ended ?? 0));
    // A timer may be a millisecond early by this clock.
    for (const pause of pauses.slice(1)) assert.ok(pause >= 59, `${pauses.join(', ')} ms`);
  });

  it('rests while a move is under way, once, and looks at the first news', async () => {
    const done = new AbortController();
    const manager = new FakeManager();
    const began: number[] = [];
    const looker = new Looker({
      manager: { look: () => Promise.resolve(manager.topology) },
      addresses: new Addresses(manager),
      published: () => undefined,
      pollInterval: 100,
      onLook: (look) => began.push(look.began),
    });
    const running = looker.run(done.signal);
    await eventually(() => began.length > 0);
    const restsFrom = monotonic();
    looker.rest();
    await eventually(() => began.some((at) => at > restsFrom + 100));
    const next = began.find((at) => at > restsFrom + 100);
    assert.ok(next !== undefined && next - restsFrom >= 1_999, `${String(next)} - ${restsFrom}`);
    // Asked again and again it would never look.
    looker.rest();
    const count = began.length;
    await eventually(() => began.length > count + 2, { limit: 5_000 });
    done.abort();
    await running;
  });

  it('a rest ends with the first news', async () => {
    const done = new AbortController();
    const manager = new FakeManager();
    let looks = 0;
    const looker = new Looker({
      manager: { look: () => Promise.resolve(manager.topology) },
      addresses: new Addresses(manager),
      published: () => undefined,
      pollInterval: 3_600_000,
      onLook: () => (looks += 1),
    });
    looker.rest();
    const running = looker.run(done.signal);
    await eventually(() => looks === 1);
    looker.now();
    await eventually(() => looks === 2);
    done.abort();
    await running;
  });
});
