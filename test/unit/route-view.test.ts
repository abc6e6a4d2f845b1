import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { events } from '../../src/domain/events.js';
import type { PublishedMember, PublishedTopology } from '../../src/domain/switchover.js';
import { RouteViews } from '../../src/proxy/route-views.js';
import { Latest } from '../../src/runtime/latest.js';
import { FakeLog } from '../fakes/log.js';
import { topologyOf } from '../fakes/topologies.js';
import { viewAt } from '../fakes/views.js';

const names = (members: readonly { readonly name: string }[]): string =>
  members.map(({ name }) => name).join(' ');
/** pg02 and pg03 with these parts. */
const changed = (parts: Partial<PublishedMember>): PublishedTopology => {
  const whole = topologyOf('pg01');
  return {
    ...whole,
    members: whole.members.map((one) => (one.name === 'pg01' ? one : { ...one, ...parts })),
  };
};

describe('what templates know', () => {
  it('is the route, and who else there is', () => {
    const view = viewAt('10.77.0.11', topologyOf('pg01'));
    assert.equal(view.host, '10.77.0.11');
    assert.equal(view.sync?.name, 'pg02');
    assert.deepEqual(
      [names(view.standbys), names(view.replicas), names(view.members)],
      ['pg02 pg03', 'pg02 pg03', 'pg01 pg02 pg03'],
    );
    assert.deepEqual(view.members[0]?.role, 'primary');
    assert.equal(view.cluster?.state, 'up');
  });

  it('takes the primary from the route: a topology that is older names a standby that is none any more', () => {
    const view = viewAt('10.77.0.12', topologyOf('pg01'), 'primary');
    assert.deepEqual(
      view.members.map(({ name, role }) => [name, role]),
      [
        ['pg01', 'unknown'],
        ['pg02', 'primary'],
        ['pg03', 'standby'],
      ],
    );
    assert.deepEqual([names(view.standbys), names(view.replicas), view.sync], ['pg03', 'pg03', undefined]);
  });

  it('takes it from the route also where the topology is newer', () => {
    const view = viewAt('10.77.0.11', topologyOf('pg02'));
    assert.deepEqual(
      view.members.map(({ role }) => role),
      ['primary', 'unknown', 'standby'],
    );
  });

  it('has no replicas where no standby is healthy, or the primary if that is wanted', () => {
    const down = changed({ up: false });
    assert.equal(names(viewAt('10.77.0.11', down).replicas), '');
    assert.equal(names(viewAt('10.77.0.11', down, 'primary').replicas), 'pg01');
    assert.equal(names(viewAt('10.77.0.11', down).standbys), 'pg02 pg03');
    const [replica] = viewAt('10.9.9.9', undefined, 'primary').replicas;
    assert.deepEqual([replica?.name, replica?.address], ['primary', '10.9.9.9']);
  });

  it('leaves out, and tells once of, members that no file could hold', () => {
    const bad = topologyOf('pg01');
    const log = new FakeLog();
    const members = bad.members.map((one, at) =>
      at === 1 ? { ...one, name: 'pg02\nlisten x' } : at === 2 ? { ...one, address: '10.0.0.1 user=x' } : one,
    );
    const topology = new Latest<PublishedTopology | undefined>({ ...bad, members });
    const views = new RouteViews(topology, { maxLag: 1, fallback: 'none' }, log);
    const host = parseAddress('10.77.0.11');
    assert.equal(names(views.of(host).members), 'pg01');
    assert.equal(names(views.of(host).members), 'pg01');
    assert.equal(log.of(events.badValue).length, 2);
  });

  it('passes over members whose address is not known', () => {
    const view = viewAt('10.77.0.11', changed({ address: '' }));
    assert.deepEqual([names(view.members), view.refused], ['pg01', []]);
  });

  it('remembers for the dead band who was healthy', () => {
    const topology = new Latest<PublishedTopology | undefined>(changed({ lag: 64 }));
    const views = new RouteViews(topology, { maxLag: 32, fallback: 'none' }, new FakeLog());
    const host = parseAddress('10.77.0.11');
    assert.equal(names(views.of(host).replicas), '');
    topology.set(changed({ lag: 32 }));
    assert.equal(names(views.of(host).replicas), '');
    topology.set(changed({ lag: 16 }));
    assert.equal(names(views.of(host).replicas), 'pg02 pg03');
    topology.set(changed({ lag: 32 }));
    assert.equal(names(views.of(host).replicas), 'pg02 pg03');
  });
});
