import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { describeError, hasCode } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { Etcd } from '../../src/etcd/client.js';
import { EtcdRouteStore } from '../../src/etcd/route-store.js';
import type { ProxyPause } from '../../src/domain/switchover.js';
import { PauseKeeper } from '../../src/pausing/pause-keeper.js';
import { HoldWatch } from '../../src/proxy/hold-watch.js';
import type { VerifiedRoute } from '../../src/proxy/route-state.js';
import { Latest } from '../../src/runtime/latest.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';
import { EtcdServers, type EtcdMember } from './etcd-server.js';
import { closeClients, connect, Follow, forever, routesOf } from './etcd-support.js';
import { Relay } from './relay.js';

const addresses = [1, 2, 3, 4, 5, 6].map((n) => parseAddress(`10.77.0.${n}`));
const [a, b, c] = addresses as [(typeof addresses)[0], (typeof addresses)[0], (typeof addresses)[0]];

describe('etcd in trouble', () => {
  let servers: EtcdServers;
  before(async () => (servers = await EtcdServers.start({ members: 3 })));
  after(() => servers.stop());
  afterEach(closeClients);
  beforeEach(async () => {
    await servers.startAll();
    await servers.etcdctl(['del', '/master']);
  });

  /** The member that a client of these endpoints uses first. */
  const preferred = (): EtcdMember => servers.member(0);

  for (const [what, hurt, heal] of [
    ['killed', (m: EtcdMember) => m.kill(), (m: EtcdMember) => m.start()],
    ['frozen', (m: EtcdMember) => m.freeze(), (m: EtcdMember) => m.thaw()],
  ] as const) {
    it(`goes to another member when the one in use is ${what}`, async () => {
      const log = new FakeLog();
      const etcd = connect(servers, {}, log);
      const routes = routesOf(etcd);
      assert.equal((await routes.publish(a, 0n, forever)).kind, 'published');
      assert.deepEqual(
        log.of(events.etcdConnected).map((line) => line['endpoint']),
        [preferred().url],
      );
      await hurt(preferred());
      try {
        // The read finds the trouble, within the deadline of one call; the write then has a live member.
        const reading = await routes.read(forever);
        assert.ok(reading.kind === 'route' && reading.route.address === a);
        assert.equal((await routes.publish(b, reading.route.revision, forever)).kind, 'published');
        assert.equal(log.of(events.etcdConnected).length, 2);
      } finally {
        heal(preferred());
      }
      etcd.close();
    });

    it(`writes without doubt although the member in use is ${what} and nobody noticed yet`, async () => {
      const etcd = connect(servers);
      const revision = await etcd.put('/master', a, forever);
      // Older than what counts as a fresh answer.
      await new Promise((resolve) => setTimeout(resolve, 600));
      await hurt(preferred());
      try {
        assert.equal((await routesOf(etcd).publish(b, revision, forever)).kind, 'published');
      } finally {
        heal(preferred());
      }
      etcd.close();
    });

    it(`follows on when the member that it watches on is ${what}`, async () => {
      const etcd = connect(servers);
      const log = new FakeLog();
      const follow = new Follow(routesOf(etcd, log));
      await eventually(() => log.of(events.watchStart).length === 1);
      const other = connect({ endpoints: servers.endpoints.slice(1) });
      await hurt(preferred());
      try {
        // Far less than the poll interval of a minute.
        await other.put('/master', a, forever);
        await eventually(() => follow.address === a);
        // On a busy machine another one may be slow as well.
        assert.ok(log.of(events.watchEnd).length >= 1);
        await other.put('/master', b, forever);
        await eventually(() => follow.address === b);
      } finally {
        heal(preferred());
      }
      await follow.stop();
      etcd.close();
      other.close();
    });
  }

  it('leaves a silent member with the first call that goes elsewhere, long before the watch itself would', async () => {
    const log = new FakeLog();
    const etcd = connect(servers);
    const follow = new Follow(routesOf(etcd, log));
    await eventually(() => log.of(events.watchStart).length === 1);
    const other = connect({ endpoints: servers.endpoints.slice(1) });
    preferred().freeze();
    try {
      const start = performance.now();
      await other.put('/master', b, forever);
      await etcd.get('/another', forever);
      await eventually(() => follow.address === b);
      // The watch asks for a sign of life after 2 s, and waits for it for 1.5 s.
      const took = performance.now() - start;
      assert.ok(took < 3_000, `${took} ms`);
      assert.match(
        String(log.of(events.watchEnd)[0]?.['error']),
        /its member is slow to answer, calls go to/,
      );
    } finally {
      preferred().thaw();
    }
    await follow.stop();
  });

  for (const what of ['killed', 'frozen'] as const) {
    it(`has a proxy ask the primary at once when the member in use is ${what}, as its host may be the primary's`, async () => {
      let probes = 0;
      const log = new FakeLog();
      const watch = new HoldWatch({
        verified: new Latest<VerifiedRoute | undefined>({ route: { address: a, revision: 1n }, at: '' }),
        keeper: new PauseKeeper({ bouncers: [], timeout: 1_000, log }),
        pause: new Latest<ProxyPause>({ kind: 'running' }),
        probe: { find: () => Promise.resolve(((probes += 1), { kind: 'writes' })) },
        isLost: () => false,
        cut: () => Promise.resolve(),
        interval: 3_600_000,
        timeout: 30_000,
        log,
      });
      const onTrouble = (): void => watch.suspect();
      const options = { key: '/master', pollInterval: 60_000, getTimeout: 5_000, onTrouble };
      const follow = new Follow(new EtcdRouteStore(connect(servers), options, log));
      const stop = new AbortController();
      const running = watch.run(stop.signal);
      await eventually(() => log.of(events.watchStart).length === 1 && probes > 0);
      const before = probes;
      if (what === 'killed') await preferred().kill();
      else preferred().freeze();
      try {
        await eventually(() => probes > before);
      } finally {
        // One that was killed is started before the next test.
        preferred().thaw();
      }
      stop.abort();
      await running;
      await follow.stop();
    });
  }

  it('leaves a member that has lost touch with the others', async () => {
    const etcd = connect(servers);
    const log = new FakeLog();
    const follow = new Follow(routesOf(etcd, log));
    await eventually(() => log.of(events.watchStart).length === 1);
    // The member in use answers, and would go on watching for ever, but it is a minority of one.
    for (const member of servers.members.slice(1)) member.freeze();
    try {
      await eventually(() => log.of(events.watchEnd).length === 1);
      assert.match(String(log.of(events.watchEnd)[0]?.['error']), /no leader/);
    } finally {
      for (const member of servers.members.slice(1)) member.thaw();
    }
    await written(connect(servers), b);
    await eventually(() => follow.address === b);
    await follow.stop();
  });

  it('goes on when the leader is killed', async () => {
    const etcd = connect(servers);
    const routes = routesOf(etcd);
    const follow = new Follow(routes);
    let revision = await etcd.put('/master', a, forever);
    await (await servers.leader()).kill();
    // One call lasts until there is a new leader.
    const reading = await routes.read(forever);
    assert.ok(reading.kind === 'route' && reading.route.revision === revision);
    const published = await routes.publish(b, revision, forever);
    assert.ok(published.kind === 'published');
    revision = published.revision;
    await eventually(() => follow.address === b);
    await follow.stop();
  });

  it('is back within a second after all members were down', async (t) => {
    const etcd = connect(servers);
    const log = new FakeLog();
    const follow = new Follow(routesOf(etcd, log));
    await etcd.put('/master', a, forever);
    await eventually(() => follow.address === a);
    await servers.killAll();
    await eventually(() => log.of(events.pollError).length > 0);
    // Long enough for every delay between two tries to have grown to its longest.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const other = connect(servers);
    for (const member of servers.members) member.start();
    await written(other, c);
    const back = performance.now();
    await eventually(() => follow.address === c);
    const took = performance.now() - back;
    t.diagnostic(`${Math.round(took)} ms after etcd took a write`);
    // Twice what was promised, for a machine that is busy: etcd3's own watcher needs 11 s.
    assert.ok(took < 2_000, `${took} ms after etcd took a write`);
    // The outage was tried twice a second and logged once.
    assert.ok(log.of(events.pollError).length <= 4, JSON.stringify(log.of(events.pollError)));
    await follow.stop();
  });

  it('is back within a second after all members were frozen', async (t) => {
    const etcd = connect(servers);
    const follow = new Follow(routesOf(etcd));
    await etcd.put('/master', a, forever);
    await eventually(() => follow.address === a);
    for (const member of servers.members) member.freeze();
    await new Promise((resolve) => setTimeout(resolve, 9_000));
    for (const member of servers.members) member.thaw();
    const other = connect(servers);
    await written(other, c);
    const back = performance.now();
    await eventually(() => follow.address === c);
    const took = performance.now() - back;
    t.diagnostic(`${Math.round(took)} ms after etcd took a write`);
    // Twice what was promised, for a machine that is busy: etcd3's own watcher needs 11 s.
    assert.ok(took < 2_000, `${took} ms after etcd took a write`);
    await follow.stop();
  });

  it('names every member and what it said when none answers', async () => {
    const etcd = connect(servers, { timeout: 500 });
    await servers.killAll();
    await assert.rejects(routesOf(etcd).read(forever), (error) => {
      assert.ok(hasCode(error, 'unavailable') && error.retryable);
      for (const { url } of servers.members) assert.ok(error.message.includes(url), error.message);
      assert.match(error.message, /ECONNREFUSED/);
      assert.doesNotMatch(describeError(error), /Resolution note|undefined/);
      return true;
    });
    await assert.rejects(routesOf(etcd).publish(a, 0n, forever), (error) => hasCode(error, 'unavailable'));
  });

  it('says that nobody answered in time when all are frozen', async () => {
    const etcd = connect(servers, { timeout: 700 });
    await etcd.get('/master', forever);
    for (const member of servers.members) member.freeze();
    try {
      await assert.rejects(
        routesOf(connect(servers, { timeout: 700 })).read(forever),
        /no connection within|no answer within/,
      );
      await assert.rejects(etcd.get('/master', forever), (error) => {
        assert.ok(hasCode(error, 'timed-out', 'unavailable'), describeError(error));
        return true;
      });
    } finally {
      for (const member of servers.members) member.thaw();
    }
  });

  it('says in-doubt when the answer to a write is lost that must not be made twice', async () => {
    const relay = await Relay.to(preferred().url);
    const etcd = connect({ endpoints: [relay.url] }, { timeout: 2_000 });
    await etcd.put('/master', a, forever);
    // The answer never comes: it is not known whether the write was made. (It was.)
    relay.swallowAnswersAfter(b);
    await assert.rejects(etcd.put('/master', b, forever), (error) => {
      assert.ok(hasCode(error, 'in-doubt'), describeError(error));
      assert.match(error.message, /put \/master: sent, but the answer is lost \(no answer within \S+\)/);
      return true;
    });
    // The connection breaks under the write.
    await etcd.get('/master', forever);
    relay.cutAfter(c);
    await assert.rejects(etcd.put('/master', c, forever), (error) => {
      assert.ok(hasCode(error, 'in-doubt'), describeError(error));
      return true;
    });
    await relay.close();
  });

  it('publishes a route once, whatever becomes of the answer', async () => {
    const relay = await Relay.to(preferred().url);
    const etcd = connect({ endpoints: [relay.url] }, { timeout: 1_000 });
    const routes = routesOf(etcd);
    const first = await routes.publish(a, 0n, forever);
    assert.ok(first.kind === 'published');
    relay.swallowAnswersAfter(b);
    await assert.rejects(routes.publish(b, first.revision, forever), (error) => hasCode(error, 'timed-out'));
    // It was made: asking again tells so, and writes nothing.
    const second = await routes.publish(b, first.revision, forever);
    assert.deepEqual(second, { kind: 'published', revision: first.revision + 1n });
    // With another member to go to, the call itself finds out.
    const both = routesOf(connect({ endpoints: [relay.url, servers.member(1).url] }));
    await both.read(forever);
    relay.swallowAnswersAfter(c);
    const third = await both.publish(c, first.revision + 1n, forever);
    assert.deepEqual(third, { kind: 'published', revision: first.revision + 2n });
    await relay.close();
  });
});

/** Writes as soon as etcd takes writes: asked independently of what is tested. */
async function written(etcd: Etcd, address: string): Promise<void> {
  await eventually(
    async () => {
      try {
        await etcd.put('/master', address, forever);
        return true;
      } catch {
        return false;
      }
    },
    { limit: 30_000, what: 'etcd takes a write' },
  );
}
