import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { events } from '../../src/domain/events.js';
import { TopologyFeed } from '../../src/proxy/topology-feed.js';
import { FakeLog } from '../fakes/log.js';
import { FakeRoutes } from '../fakes/routes.js';
import { FakeTopologies, topologyOf } from '../fakes/topologies.js';

describe('the topology that a proxy follows', () => {
  it('is the newest one, and stays when nothing is published any more', async () => {
    const topologies = new FakeTopologies(new FakeRoutes());
    const log = new FakeLog();
    const feed = new TopologyFeed(topologies, log);
    const stop = new AbortController();
    const running = feed.run(stop.signal);
    assert.equal(feed.latest.value, undefined);
    const lost = topologyOf('pg01', {
      primary: { state: 'lost', name: 'pg01', since: '2026-01-01T00:00:00Z' },
    });
    topologies.put(topologyOf());
    topologies.put(lost);
    assert.equal(feed.latest.value, lost);
    topologies.put(undefined);
    assert.equal(feed.latest.value, lost);
    assert.equal(log.of(events.topologyKept).length, 1);
    stop.abort();
    await running;
  });
});
