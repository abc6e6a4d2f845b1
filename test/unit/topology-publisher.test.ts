import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { Topology } from '../../src/domain/cluster.js';
import type { PostgresInspection, WalSender } from '../../src/domain/inspection.js';
import { Addresses } from '../../src/supervise/addresses.js';
import type { Wanted } from '../../src/supervise/decision.js';
import { TopologyPublisher } from '../../src/supervise/topology-publisher.js';
import { FakeLog } from '../fakes/log.js';
import { FakeManager, healthyTopology, member } from '../fakes/manager.js';
import { inspection } from '../fakes/node.js';
import { FakeRoutes } from '../fakes/routes.js';
import { FakeTopologies, topologyOf } from '../fakes/topologies.js';
import { eventually, stays } from '../support/eventually.js';

const identifier = topologyOf().systemIdentifier;
const primary = (name: string, early = false): Wanted => ({ kind: 'primary', name, early });
const none: Wanted = { kind: 'keep', why: 'nobody is promoted' };
const never = new AbortController().signal;

const sender = (lag: number): WalSender => ({
  name: 'pg02',
  address: undefined,
  state: 'streaming',
  syncState: 'sync',
  lag,
  stale: undefined,
});

describe('topology publisher', () => {
  let routes: FakeRoutes;
  let topologies: FakeTopologies;
  let facts: { systemIdentifier: string | undefined };
  let role: { timeline: number | undefined };
  let senders: WalSender[];
  let received: Partial<PostgresInspection>;
  let local: string;
  let publisher: TopologyPublisher;
  let stop: AbortController;
  let running: Promise<void>;
  let writes: number;

  beforeEach(async () => {
    routes = new FakeRoutes();
    topologies = new FakeTopologies(routes);
    facts = { systemIdentifier: identifier };
    role = { timeline: 1 };
    senders = [sender(0)];
    received = { inRecovery: true, receiving: true, timeline: 1 };
    local = 'pg01';
    writes = 0;
    const publish = topologies.publish.bind(topologies);
    topologies.publish = (...args) => {
      writes += 1;
      return publish(...args);
    };
    const { postgres } = inspection();
    assert.ok(postgres);
    const addresses = new Addresses(new FakeManager());
    await addresses.refresh(['pg01', 'pg02', 'pg03'], never);
    publisher = new TopologyPublisher({
      topologies,
      routes,
      addresses,
      postgres: {
        senders: () => Promise.resolve(senders),
        inspect: () => Promise.resolve({ ...postgres, ...received }),
      },
      localName: () => Promise.resolve(local),
      facts,
      role,
      log: new FakeLog(),
      etcdTimeout: 1_000,
    });
    stop = new AbortController();
    running = publisher.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  const see = (wanted: Wanted, topology: Topology = healthyTopology()): void =>
    publisher.observe({ topology, wanted });

  it('publishes what the primary sees, and nothing more while nothing changes', async () => {
    see(primary('pg01'));
    await eventually(() => topologies.current !== undefined);
    const view = topologies.current;
    assert.equal(view?.timeline, 1);
    assert.deepEqual(
      view.members.map(({ name, address, role: does, syncState, lag, up }) => [
        name,
        address,
        does,
        syncState,
        lag,
        up,
      ]),
      [
        ['pg01', '10.77.0.11', 'primary', 'unknown', undefined, true],
        ['pg02', '10.77.0.12', 'standby', 'sync', 0, true],
        ['pg03', '10.77.0.13', 'standby', 'potential', undefined, true],
      ],
    );
    senders = [sender(1_000)];
    for (let looks = 0; looks < 5; looks += 1) {
      see(primary('pg01'));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(writes, 1);
    const { members, ...rest } = healthyTopology();
    see(primary('pg01'), {
      ...rest,
      members: members.map((one) => ({ ...one, online: one.name !== 'pg03' })),
    });
    await eventually(() => topologies.current?.members[2]?.up === false);
  });

  it('writes a promotion and its route as one, with the old primary as what it is now', async () => {
    topologies.put(topologyOf('pg01'));
    const expected = routes.put('10.77.0.11');
    local = 'pg02';
    role.timeline = 2;
    const topology: Topology = {
      quorum: true,
      primary: { kind: 'none', why: 'nobody' },
      members: [member('pg01', { role: 'stopped' }), member('pg02'), member('pg03')],
    };
    const change = { address: parseAddress('10.77.0.12'), expected };
    const outcome = await publisher.announce(change, { topology, wanted: primary('pg02', true) }, never);
    assert.equal(outcome.kind, 'published');
    assert.equal(topologies.current?.primary.name, 'pg02');
    assert.deepEqual(
      topologies.current.members.map(({ role: does }) => does),
      ['stopped', 'primary', 'standby'],
    );
    assert.equal(routes.reading.kind === 'route' && routes.reading.route.address, '10.77.0.12');
  });

  it('never publishes a route over a later timeline', async () => {
    topologies.put(topologyOf('pg02', { timeline: 5 }));
    const expected = routes.put('10.77.0.12');
    const change = { address: parseAddress('10.77.0.11'), expected };
    const sight = { topology: healthyTopology(), wanted: primary('pg01') };
    assert.equal((await publisher.announce(change, sight, never)).kind, 'refused');
    assert.equal(routes.reading.kind === 'route' && routes.reading.route.address, '10.77.0.12');
  });

  it('publishes the route alone while it does not know its own PostgreSQL', async () => {
    facts.systemIdentifier = undefined;
    const change = { address: parseAddress('10.77.0.11'), expected: 0n };
    const sight = { topology: healthyTopology(), wanted: primary('pg01') };
    assert.equal((await publisher.announce(change, sight, never)).kind, 'published');
    assert.equal(topologies.current, undefined);
  });

  it('says at once that its own primary died, once, and when it is there again', async () => {
    see(primary('pg01'));
    await eventually(() => topologies.current?.primary.state === 'up');
    publisher.onLost();
    await eventually(() => topologies.current?.primary.state === 'lost');
    assert.equal(topologies.current?.primary.name, 'pg01');
    const before = writes;
    publisher.onLost();
    await stays(() => writes === before, 50);
    see(primary('pg01'));
    await eventually(() => topologies.current?.primary.state === 'up');
  });

  it('says nothing of the kind of another node', async () => {
    topologies.put(topologyOf('pg01'));
    local = 'pg02';
    publisher.onLost();
    await stays(() => topologies.current?.primary.state === 'up', 50);
    assert.equal(writes, 0);
  });

  it('lets others say that the primary is lost, after a while, and that another one is there', async () => {
    topologies.put(topologyOf('pg01'));
    local = 'pg03';
    see(primary('pg01'));
    await new Promise((resolve) => setImmediate(resolve));
    const start = performance.now();
    const looking = setInterval(() => see(none), 20);
    try {
      await stays(() => topologies.current?.primary.state === 'up', 500);
      await eventually(() => topologies.current?.primary.state === 'lost');
      assert.ok(performance.now() - start >= 1_000);
      assert.equal(topologies.current?.primary.name, 'pg01');
    } finally {
      clearInterval(looking);
    }
    received = { ...received, timeline: 2 };
    const again = setInterval(() => see(primary('pg02')), 20);
    try {
      await eventually(() => topologies.current?.primary.name === 'pg02');
      assert.equal(topologies.current.timeline, 2);
    } finally {
      clearInterval(again);
    }
  });

  it('does not take a primary for lost that the cluster manager is only about to show', async () => {
    topologies.put(topologyOf('pg01'));
    local = 'pg03';
    see(primary('pg01'));
    await new Promise((resolve) => setImmediate(resolve));
    const looking = setInterval(() => see(none), 20);
    try {
      await eventually(() => topologies.current?.primary.state === 'lost');
      topologies.put(topologyOf('pg02', { timeline: 2 }));
      await stays(() => topologies.current?.primary.state === 'up', 1_500);
    } finally {
      clearInterval(looking);
    }
  });

  it('says nothing without quorum', async () => {
    topologies.put(topologyOf('pg01'));
    local = 'pg03';
    const looking = setInterval(() => see(none, { ...healthyTopology(), quorum: false }), 20);
    try {
      await stays(() => topologies.current?.primary.state === 'up', 1_300);
    } finally {
      clearInterval(looking);
    }
  });
});
