import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { RouteStore, TopologyStore } from '../../src/domain/stores.js';
import type { PublishedTopology } from '../../src/domain/switchover.js';
import { topologyOf } from '../fakes/topologies.js';
import { eventually } from '../support/eventually.js';

const forever = new AbortController().signal;
const first = parseAddress('10.77.0.11');
const second = parseAddress('10.77.0.12');
const later = topologyOf('pg02', { timeline: 2 });

export interface TopologySetup {
  readonly topologies: TopologyStore;
  readonly routes: RouteStore;
  readonly remove: () => Promise<void>;
}

/** What every TopologyStore does. `make` starts without a topology and a route. */
export function topologyContract(make: () => Promise<TopologySetup>): void {
  it('publishes a topology alone, and with a route in one go', async () => {
    const { topologies, routes } = await make();
    assert.equal(await topologies.read(forever), undefined);
    assert.equal((await topologies.publish(topologyOf(), undefined, forever)).kind, 'published');
    assert.deepEqual(await topologies.read(forever), topologyOf());
    assert.deepEqual(await routes.read(forever), { kind: 'missing', revision: 0n });
    const both = await topologies.publish(later, { address: second, expected: 0n }, forever);
    assert.ok(both.kind === 'published');
    assert.deepEqual(await topologies.read(forever), later);
    assert.deepEqual(await routes.read(forever), {
      kind: 'route',
      route: { address: second, revision: both.revision },
    });
  });

  it('writes nothing when the route was written since', async () => {
    const { topologies, routes } = await make();
    const one = await routes.publish(first, 0n, forever);
    assert.ok(one.kind === 'published');
    const late = await topologies.publish(later, { address: second, expected: 0n }, forever);
    assert.deepEqual(late, { kind: 'changed' });
    assert.equal(await topologies.read(forever), undefined);
    const next = await topologies.publish(later, { address: second, expected: one.revision }, forever);
    assert.equal(next.kind, 'published');
  });

  it('writes neither when a newer topology is published, until that is removed', async () => {
    const { topologies, routes, remove } = await make();
    await topologies.publish(later, undefined, forever);
    const change = { address: first, expected: 0n };
    const refused = await topologies.publish(topologyOf(), change, forever);
    assert.deepEqual(refused, {
      kind: 'refused',
      why: 'timeline 2 is published, which is later than 1',
    });
    const twin = topologyOf('pg03', { timeline: 2 });
    const other = await topologies.publish(twin, change, forever);
    assert.ok(other.kind === 'refused');
    assert.match(other.why, /^pg02 is published as the primary of the same timeline 2/);
    assert.deepEqual(await topologies.read(forever), later);
    assert.deepEqual(await routes.read(forever), { kind: 'missing', revision: 0n });
    await remove();
    assert.equal((await topologies.publish(topologyOf(), change, forever)).kind, 'published');
  });

  it('follows: the topology at once, then each change', async () => {
    const { topologies, remove } = await make();
    const seen: (PublishedTopology | undefined)[] = [];
    const stop = new AbortController();
    const following = topologies.follow((topology) => seen.push(topology), stop.signal);
    await eventually(() => seen.length === 1);
    await topologies.publish(topologyOf(), undefined, forever);
    await eventually(() => seen.length === 2);
    await topologies.publish(later, undefined, forever);
    await eventually(() => seen.length === 3);
    await remove();
    await eventually(() => seen.length === 4);
    assert.deepEqual(seen, [undefined, topologyOf(), later, undefined]);
    stop.abort();
    await following;
  });
}
