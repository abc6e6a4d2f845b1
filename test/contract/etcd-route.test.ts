import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { hasCode } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { FakeLog } from '../fakes/log.js';
import { eventually, stays } from '../support/eventually.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, Follow, forever, routesOf } from './etcd-support.js';

const first = parseAddress('10.77.0.11');
const second = parseAddress('10.77.0.12');

describe('the route in etcd', () => {
  let servers: EtcdServers;
  before(async () => (servers = await EtcdServers.start()));
  after(() => servers.stop());
  afterEach(async () => {
    closeClients();
    await servers.etcdctl(['del', '', '--from-key=true']);
  });

  it('reads what is published, and publishes only over what was read', async () => {
    const etcd = connect(servers);
    const routes = routesOf(etcd);
    assert.deepEqual(await routes.read(forever), { kind: 'missing', revision: 0n });
    const published = await routes.publish(first, 0n, forever);
    assert.ok(published.kind === 'published');
    assert.deepEqual(await routes.read(forever), {
      kind: 'route',
      route: { address: first, revision: published.revision },
    });
    assert.equal(await servers.etcdctl(['get', '/master', '--print-value-only']), '10.77.0.11\n');

    assert.deepEqual(await routes.publish(second, 0n, forever), { kind: 'changed' });
    const again = await routes.publish(second, published.revision, forever);
    assert.ok(again.kind === 'published' && again.revision > published.revision);
    assert.deepEqual(await routes.publish(first, published.revision, forever), { kind: 'changed' });
    assert.equal(await servers.etcdctl(['get', '/master', '--print-value-only']), '10.77.0.12\n');
  });

  it('puts the namespace before the key as it stands', async () => {
    const etcd = connect(servers, { namespace: '/site-a' });
    const follow = new Follow(routesOf(etcd));
    await routesOf(etcd).publish(first, 0n, forever);
    assert.equal(await servers.etcdctl(['get', '/site-a/master', '--print-value-only']), '10.77.0.11\n');
    await eventually(() => follow.address === first);
    await servers.etcdctl(['put', '/site-a/master', second]);
    await eventually(() => follow.address === second);
    await follow.stop();
  });

  it('follows writes, a deletion by hand and a new key, each at once', async () => {
    const etcd = connect(servers);
    const log = new FakeLog();
    const follow = new Follow(routesOf(etcd, log));
    await eventually(() => follow.last?.kind === 'missing');
    await servers.etcdctl(['put', '/master', first]);
    await eventually(() => follow.address === first);
    await servers.etcdctl(['put', '/master', second]);
    await eventually(() => follow.address === second);
    await servers.etcdctl(['del', '/master']);
    await eventually(() => follow.last?.kind === 'missing');
    await servers.etcdctl(['put', '/master', first]);
    await eventually(() => follow.address === first);
    assert.deepEqual(
      follow.readings.map(({ kind }) => kind),
      ['missing', 'route', 'route', 'missing', 'route'],
    );
    const revisions = follow.readings.flatMap((r) => (r.kind === 'route' ? [r.route.revision] : []));
    assert.deepEqual(
      revisions,
      [...revisions].sort((a, b) => Number(a - b)),
    );
    assert.equal(log.of(events.watchStart).length, 1);
    assert.equal(log.of(events.pollMissingEtcdValue).length, 2);
    await follow.stop();
  });

  for (const [name, value] of [
    ['text', 'pg01'],
    ['an empty value', ''],
    ['a newline after the address', '10.77.0.11\n'],
    ['a second line', '10.77.0.11\nport = 1'],
    ['multicast', '224.0.0.1'],
    ['no host at all', '0.0.0.0'],
    ['a megabyte', 'x'.repeat(1_000_000)],
  ] as const) {
    it(`refuses ${name} as an address, and says so`, async () => {
      const etcd = connect(servers);
      const log = new FakeLog();
      const routes = routesOf(etcd, log);
      const follow = new Follow(routes);
      await eventually(() => follow.last?.kind === 'missing');
      const revision = await etcd.put('/master', value, forever);
      await eventually(() => follow.last?.kind === 'bad');
      const reading = await routes.read(forever);
      assert.ok(reading.kind === 'bad' && reading.revision === revision);
      assert.ok(reading.why.length < 200, reading.why);
      assert.equal(log.of(events.badValue).length, 1);
      // The publisher goes on from a bad value as from any other.
      assert.equal((await routes.publish(first, revision, forever)).kind, 'published');
      await eventually(() => follow.address === first);
      await follow.stop();
      etcd.close();
    });
  }

  it('survives a compaction of the history that a watch would need', async () => {
    const etcd = connect(servers);
    const log = new FakeLog();
    await etcd.put('/master', first, forever);
    const revision = await etcd.put('/master', first, forever);
    await servers.etcdctl(['compact', String(revision)]);
    const late = await etcd.watch({ range: { key: '/master' }, from: 1n }, () => undefined, forever);
    assert.match((await late.ended).message, /history before \d+ was compacted/);

    const follow = new Follow(routesOf(etcd, log));
    await eventually(() => log.of(events.watchStart).length === 1);
    await servers.member(0).kill();
    await servers.startAll();
    const written = JSON.parse(await servers.etcdctl(['put', '/master', second, '-w', 'json'])) as {
      header: { revision: number };
    };
    await servers.etcdctl(['compact', String(written.header.revision)]);
    await eventually(() => follow.address === second);
    await servers.etcdctl(['put', '/master', first]);
    await eventually(() => follow.address === first);
    await follow.stop();
  });

  it('drops a reading that is older than what the watch told', async () => {
    const etcd = connect(servers);
    const follow = new Follow(routesOf(etcd, new FakeLog(), 5));
    for (let i = 0; i < 50; i += 1) await etcd.put('/master', i % 2 === 0 ? first : second, forever);
    await eventually(() => follow.address === second);
    const revisions = follow.readings.flatMap((r) => (r.kind === 'route' ? [r.route.revision] : []));
    assert.ok(revisions.every((revision, i) => i === 0 || revision > (revisions[i - 1] ?? 0n)));
    await stays(() => follow.address === second, 50);
    await follow.stop();
  });

  it('ends when its signal is aborted, and reports nothing after', async () => {
    const etcd = connect(servers);
    const follow = new Follow(routesOf(etcd));
    await eventually(() => follow.last !== undefined);
    await follow.stop();
    const before = follow.readings.length;
    await servers.etcdctl(['put', '/master', first]);
    await stays(() => follow.readings.length === before, 100);
  });

  it('lets an error of the reader end it, not an error of etcd', async () => {
    const etcd = connect(servers);
    const routes = routesOf(etcd);
    const failing = routes.follow((reading) => {
      if (reading.kind === 'route') throw new Error('the reader is broken');
    }, forever);
    const failed = assert.rejects(failing, /the reader is broken/);
    await servers.etcdctl(['put', '/master', first]);
    await failed;
  });

  it('says what was tried where, when a call is aborted or the client is closed', async () => {
    const etcd = connect(servers);
    await assert.rejects(routesOf(etcd).read(AbortSignal.abort()), (error) => hasCode(error, 'aborted'));
    etcd.close();
    await assert.rejects(routesOf(etcd).read(forever), (error) => {
      assert.ok(hasCode(error, 'unavailable', 'aborted'));
      assert.match(error.message, /^etcd \(http:\/\/127\.0\.0\.1:\d+\): get \/master: the client is closed$/);
      return true;
    });
  });
});
