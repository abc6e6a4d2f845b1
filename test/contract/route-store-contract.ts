import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { RouteReading, RouteStore } from '../../src/domain/stores.js';
import { eventually, stays } from '../support/eventually.js';

const first = parseAddress('10.77.0.11');
const second = parseAddress('10.77.0.12');
const forever = new AbortController().signal;

/**
 * What every RouteStore does, the real one and the one that other tests use in its place. Call it in a
 * `describe`; each case starts with `make`, whose store must have no route yet.
 */
export function routeStoreContract(
  make: () => Promise<{ routes: RouteStore; remove: () => Promise<void> }>,
): void {
  it('has no route at first', async () => {
    const { routes } = await make();
    assert.deepEqual(await routes.read(forever), { kind: 'missing', revision: 0n });
  });

  it('publishes over what was read, and over nothing else', async () => {
    const { routes } = await make();
    const one = await routes.publish(first, 0n, forever);
    assert.ok(one.kind === 'published');
    assert.deepEqual(await routes.read(forever), {
      kind: 'route',
      route: { address: first, revision: one.revision },
    });
    assert.deepEqual(await routes.publish(second, 0n, forever), { kind: 'changed' });
    const two = await routes.publish(second, one.revision, forever);
    assert.ok(two.kind === 'published' && two.revision > one.revision);
    assert.deepEqual(await routes.publish(first, one.revision, forever), { kind: 'changed' });
  });

  it('follows: the state at once, then each change, also that the route is gone', async () => {
    const { routes, remove } = await make();
    const seen: RouteReading[] = [];
    const stop = new AbortController();
    const following = routes.follow((reading) => seen.push(reading), stop.signal);
    await eventually(() => seen.length === 1);
    const one = await routes.publish(first, 0n, forever);
    assert.ok(one.kind === 'published');
    await eventually(() => seen.length === 2);
    await remove();
    await eventually(() => seen.length === 3);
    assert.deepEqual(seen, [
      { kind: 'missing', revision: 0n },
      { kind: 'route', route: { address: first, revision: one.revision } },
      { kind: 'missing', revision: 0n },
    ]);
    stop.abort();
    await following;
    await routes.publish(second, 0n, forever);
    await stays(() => seen.length === 3, 50);
  });

  it('does not follow for a signal that is aborted already', async () => {
    const { routes } = await make();
    await routes.follow(() => assert.fail('nothing is to be reported'), AbortSignal.abort());
  });
}
