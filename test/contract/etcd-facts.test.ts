import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { hasCode } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { PublishedTopology } from '../../src/domain/switchover.js';
import type { Etcd } from '../../src/etcd/client.js';
import { EtcdHistoryStore } from '../../src/etcd/history-store.js';
import { EtcdTopologyStore } from '../../src/etcd/topology-store.js';
import { FakeHistory, reportOf } from '../fakes/history.js';
import { FakeLog } from '../fakes/log.js';
import { FakeRoutes } from '../fakes/routes.js';
import { FakeTopologies, topologyOf } from '../fakes/topologies.js';
import { eventually } from '../support/eventually.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever, routesOf } from './etcd-support.js';
import { historyContract } from './history-contract.js';
import { Relay } from './relay.js';
import { topologyContract } from './topology-contract.js';

const KEY = '/pgcm/topology';
const address = parseAddress('10.77.0.12');

function topologiesOf(etcd: Etcd, log = new FakeLog()): EtcdTopologyStore {
  const options = { routeKey: '/master', pollInterval: 60_000, getTimeout: 5_000 };
  return new EtcdTopologyStore(etcd, options, log);
}

describe('facts that are kept in etcd', () => {
  let servers: EtcdServers;
  before(async () => (servers = await EtcdServers.start({ members: 3 })));
  after(() => servers.stop());
  afterEach(async () => {
    closeClients();
    await servers.startAll();
    await servers.etcdctl(['del', '', '--from-key=true']);
  });

  describe('the topology', () => {
    topologyContract(() => {
      const etcd = connect(servers);
      return Promise.resolve({
        topologies: topologiesOf(etcd),
        routes: routesOf(etcd),
        remove: async () => {
          await servers.etcdctl(['del', KEY]);
        },
      });
    });

    it('is not replaced by an older one of a writer that knows nothing of the newer', async () => {
      const old = topologiesOf(connect(servers));
      await old.publish(topologyOf(), undefined, forever);
      const newer = topologiesOf(connect(servers));
      await newer.publish(topologyOf('pg02', { timeline: 2 }), undefined, forever);
      const outcome = await old.publish(topologyOf('pg03'), { address, expected: 0n }, forever);
      assert.ok(outcome.kind === 'refused');
      assert.equal((await old.read(forever))?.timeline, 2);
      // One that is allowed goes over what the other wrote.
      const lost = topologyOf('pg02', {
        timeline: 2,
        primary: { state: 'lost', name: 'pg02', since: '2026-01-01T00:00:00Z' },
      });
      assert.equal((await old.publish(lost, undefined, forever)).kind, 'published');
      assert.deepEqual(await newer.read(forever), lost);
    });

    it('is written once, with its route, when the answer was lost', async () => {
      const relay = await Relay.to(servers.member(0).url);
      const topologies = topologiesOf(connect({ endpoints: [relay.url, servers.member(1).url] }));
      await topologies.publish(topologyOf(), undefined, forever);
      relay.swallowAnswersAfter(address);
      const next = topologyOf('pg02', { timeline: 2 });
      const outcome = await topologies.publish(next, { address, expected: 0n }, forever);
      assert.ok(outcome.kind === 'published');
      const version = await servers.etcdctl(['get', '/master', '-w', 'fields']);
      assert.match(version, /"Version" : 1\b/);
      assert.match(version, new RegExp(`"ModRevision" : ${outcome.revision}\\b`));
      await relay.close();
    });

    it('that is not understood is said, taken for none, and written over', async () => {
      const etcd = connect(servers);
      const log = new FakeLog();
      await etcd.put(KEY, '{"timeline":"x"}', forever);
      const topologies = topologiesOf(etcd, log);
      await assert.rejects(topologies.read(forever), (error) => hasCode(error, 'invalid-answer'));
      const seen: (PublishedTopology | undefined)[] = [];
      const stop = new AbortController();
      const following = topologies.follow((topology) => seen.push(topology), stop.signal);
      await eventually(() => seen.length === 1);
      assert.equal((await topologies.publish(topologyOf(), undefined, forever)).kind, 'published');
      await eventually(() => seen.length === 2);
      assert.deepEqual(seen, [undefined, topologyOf()]);
      assert.equal(log.of(events.badValue).length, 1);
      stop.abort();
      await following;
    });
  });

  describe('the history', () => {
    historyContract(() => Promise.resolve(new EtcdHistoryStore(connect(servers))));

    it('is followed from a revision on: the newest report first, then each new one, once', async () => {
      const history = new EtcdHistoryStore(connect(servers));
      const empty = await history.since(undefined, forever);
      assert.deepEqual(empty.reports, []);
      for (const id of ['S1', 'S2']) await history.add(reportOf(id), forever);
      const idsSince = async (after: bigint | undefined): Promise<readonly string[]> =>
        (await history.since(after, forever)).reports.map(({ id }) => id);
      assert.deepEqual(await idsSince(undefined), ['S2']);
      assert.deepEqual(await idsSince(empty.revision), ['S1', 'S2']);
      const { revision } = await history.since(undefined, forever);
      assert.deepEqual(await idsSince(revision), []);
      await history.add(reportOf('S3'), forever);
      assert.deepEqual(await idsSince(revision), ['S3']);
      // An etcd that was restored to an earlier state.
      assert.deepEqual(await idsSince(revision + 1_000n), ['S3']);
    });

    it('names what is not understood, and removes it like the others in its time', async () => {
      const etcd = connect(servers);
      const history = new EtcdHistoryStore(etcd);
      await etcd.put('/pgcm/history/old', 'rubbish', forever);
      await history.add(reportOf('S1'), forever);
      const { reports, problems } = await history.list(forever);
      assert.deepEqual(reports, [reportOf('S1')]);
      assert.deepEqual(problems, ['"/pgcm/history/old" is no switchover report: it is not JSON']);
      assert.match(
        await servers.etcdctl(['get', '/pgcm/history/', '--prefix', '--keys-only']),
        /^\/pgcm\/history\/2026-01-01T00:00:00\.000Z-S1$/m,
      );
      for (let i = 2; i < 101; i += 1) await history.add(reportOf(`S${i}`), forever);
      assert.deepEqual((await history.list(forever)).problems, []);
    });
  });
});

describe('the facts that other tests use', () => {
  describe('the topology', () => {
    topologyContract(() => {
      const routes = new FakeRoutes();
      const topologies = new FakeTopologies(routes);
      return Promise.resolve({
        topologies,
        routes,
        remove: () => {
          topologies.put(undefined);
          return Promise.resolve();
        },
      });
    });
  });
  describe('the history', () => {
    historyContract(() => Promise.resolve(new FakeHistory()));
  });
});
