import assert from 'node:assert/strict';
import { it } from 'node:test';
import { hasCode } from '../../src/domain/errors.js';
import type { HeldLock, PauseRequests } from '../../src/domain/stores.js';
import type { PauseRequest } from '../../src/domain/switchover.js';
import { eventually, stays } from '../support/eventually.js';

const forever = new AbortController().signal;

const pause: PauseRequest = {
  id: 'S1',
  phase: 'pause',
  release: undefined,
  duration: 25_000,
  timeout: 5_000,
};
const release: PauseRequest = { ...pause, phase: 'release', release: 42n };

export interface PauseRequestsSetup {
  readonly requests: PauseRequests;
  readonly acquire: () => Promise<HeldLock>;
  /** The lock ends without its holder's doing. */
  readonly loseLock: (held: HeldLock) => Promise<void>;
}

/** What every PauseRequests does. Call it in a `describe`; `make` starts without a request or a lock. */
export function pauseRequestsContract(make: () => Promise<PauseRequestsSetup>): void {
  it('has no request at first, and clearing none is done', async () => {
    const { requests, acquire } = await make();
    assert.equal(await requests.read(forever), undefined);
    const held = await acquire();
    assert.equal(await requests.clear(held, forever), false);
    await held.release(forever);
  });

  it('writes each phase over the one before, with growing revisions', async () => {
    const { requests, acquire } = await make();
    const held = await acquire();
    const first = await requests.write(pause, held, forever);
    assert.deepEqual(await requests.read(forever), pause);
    const second = await requests.write(release, held, forever);
    assert.ok(second > first);
    assert.deepEqual(await requests.read(forever), release);
    assert.equal(await requests.clear(held, forever), true);
    assert.equal(await requests.read(forever), undefined);
    await held.release(forever);
  });

  it('follows: the state at once, then each change', async () => {
    const { requests, acquire } = await make();
    const seen: (PauseRequest | undefined)[] = [];
    const stop = new AbortController();
    const following = requests.follow((request) => seen.push(request), stop.signal);
    await eventually(() => seen.length === 1);
    const held = await acquire();
    await requests.write(pause, held, forever);
    await eventually(() => seen.length === 2);
    await requests.write(release, held, forever);
    await eventually(() => seen.length === 3);
    await requests.clear(held, forever);
    await eventually(() => seen.length === 4);
    assert.deepEqual(seen, [undefined, pause, release, undefined]);
    stop.abort();
    await following;
    await requests.write(pause, held, forever);
    await stays(() => seen.length === 4, 50);
    await held.release(forever);
  });

  it('ends with the lock', async () => {
    const { requests, acquire } = await make();
    const held = await acquire();
    await requests.write(pause, held, forever);
    await held.release(forever);
    assert.equal(await requests.read(forever), undefined);
  });

  it('lets nobody write or clear without the lock', async () => {
    const { requests, acquire, loseLock } = await make();
    const late = await acquire();
    await requests.write(pause, late, forever);
    await loseLock(late);
    const lost = (error: unknown): boolean => hasCode(error, 'lock-lost');
    await assert.rejects(requests.write(release, late, forever), lost);
    const next = await acquire();
    await requests.write({ ...pause, id: 'S2' }, next, forever);
    await assert.rejects(requests.write(release, late, forever), lost);
    await assert.rejects(requests.clear(late, forever), lost);
    assert.deepEqual(await requests.read(forever), { ...pause, id: 'S2' });
    await next.release(forever);
  });
}
