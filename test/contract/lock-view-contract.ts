import assert from 'node:assert/strict';
import { it } from 'node:test';
import { hasCode } from '../../src/domain/errors.js';
import type { Mandate, MandateCheck } from '../../src/domain/mandate.js';
import type { FailoverLock, LockHolder, LockView } from '../../src/domain/stores.js';

const forever = new AbortController().signal;
const holder: LockHolder = { id: 'S1', host: 'pg01', pid: 42, since: '2025-01-01T00:00:00Z' };
const isLost = (error: unknown): boolean => hasCode(error, 'lock-lost');

export interface LockSetup {
  readonly lock: FailoverLock;
  readonly view: LockView;
  readonly mandates: MandateCheck;
  /** A run of the original takes the lock: without a name. @returns what ends it */
  readonly original: () => Promise<() => Promise<void>>;
  /** Leaves the lock of a holder that died behind. */
  readonly dead: (holder: LockHolder) => Promise<void>;
}

/** What every lock, view of it and check by it do together. `make` starts with a free lock. */
export function lockViewContract(make: () => Promise<LockSetup>): void {
  it('sees nobody, then the holder, then nobody', async () => {
    const { lock, view } = await make();
    assert.equal(await view.owner(forever), undefined);
    const held = await lock.acquire(holder, forever);
    const found = await view.owner(forever);
    assert.deepEqual(found && { holder: found.holder, revision: found.revision }, {
      holder,
      revision: held.revision,
    });
    await held.release(forever);
    assert.equal(await view.owner(forever), undefined);
    assert.ok(found);
    assert.equal(await view.removeDead(found, forever), 'gone');
  });

  it('lets a mandate act while its lock is held, and no other', async () => {
    const { lock, mandates } = await make();
    const held = await lock.acquire(holder, forever);
    const mandate: Mandate = { switchover: 'S1', lockRevision: held.revision };
    await mandates.verify(mandate, forever);
    await assert.rejects(mandates.verify({ ...mandate, switchover: 'S2' }, forever), isLost);
    await assert.rejects(mandates.verify({ ...mandate, lockRevision: held.revision - 1n }, forever), isLost);
    await held.release(forever);
    await assert.rejects(mandates.verify(mandate, forever), isLost);
    const next = await lock.acquire({ ...holder, id: 'S2' }, forever);
    await assert.rejects(mandates.verify(mandate, forever), isLost);
    await next.release(forever);
  });

  it('lets a request without a mandate act unless a switchover of pgcm holds the lock', async () => {
    const { lock, mandates, view, original } = await make();
    await mandates.verify(undefined, forever);
    const held = await lock.acquire(holder, forever);
    await assert.rejects(mandates.verify(undefined, forever), isLost);
    await held.release(forever);
    const end = await original();
    assert.equal((await view.owner(forever))?.holder, undefined);
    await mandates.verify(undefined, forever);
    await assert.rejects(mandates.verify({ switchover: 'S1', lockRevision: 1n }, forever), isLost);
    await end();
  });

  it('removes the lock of a dead holder, and of nobody else', async () => {
    const { lock, view, dead } = await make();
    await dead(holder);
    const found = await view.owner(forever);
    assert.deepEqual(found?.holder, holder);
    assert.ok(found);
    assert.equal(await view.removeDead(found, forever), 'removed');
    assert.equal(await view.owner(forever), undefined);
    const held = await lock.acquire({ ...holder, id: 'S2' }, forever);
    assert.equal(await view.removeDead(found, forever), 'gone');
    assert.equal((await view.owner(forever))?.holder?.id, 'S2');
    await held.release(forever);
  });
}
