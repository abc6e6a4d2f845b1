import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { describeError, hasCode } from '../../src/domain/errors.js';
import type { LockHolder } from '../../src/domain/stores.js';
import type { EtcdOptions } from '../../src/etcd/client.js';
import { EtcdFailoverLock } from '../../src/etcd/lock.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';
import { clientTls, makeCertificates, type Certificates } from './certificates.js';
import { EtcdServers } from './etcd-server.js';
import { Relay } from './relay.js';
import { closeClients, connect, Follow, forever, routesOf } from './etcd-support.js';

const first = parseAddress('10.77.0.11');
const second = parseAddress('10.77.0.12');
const holder: LockHolder = { id: 'S1', host: 'pg01', pid: 42, since: '2025-01-01T00:00:00Z' };
const root = 'root:secret';

describe('etcd with TLS, client certificates, users and passwords', () => {
  let servers: EtcdServers;
  let certificates: Certificates;
  let secure: Partial<EtcdOptions>;

  before(async () => {
    certificates = await makeCertificates();
    servers = await EtcdServers.start({ tls: certificates });
    secure = { tls: await clientTls(certificates), auth: { user: 'pgcm', password: 'moves' } };
    // Asked for before etcd wants a user: the configured one is no obstacle.
    const early = connect(servers, secure);
    await early.put('/master', first, forever);
    await servers.etcdctl(['user', 'add', 'root', '--interactive=false'], { input: 'secret\n' });
    await servers.etcdctl(['user', 'grant-role', 'root', 'root']);
    await servers.etcdctl(['user', 'add', 'pgcm', '--interactive=false'], { input: 'moves\n' });
    await servers.etcdctl(['role', 'add', 'pgcm']);
    await servers.etcdctl(['role', 'grant-permission', 'pgcm', '--prefix=true', 'readwrite', '/master']);
    await servers.etcdctl(['user', 'grant-role', 'pgcm', 'pgcm']);
    await servers.etcdctl(['auth', 'enable']);
    // And authentication that comes while we are connected is found out by itself.
    await early.put('/master', first, forever);
  });
  after(async () => {
    await servers.stop();
    await certificates.remove();
  });

  afterEach(closeClients);

  it('reads, publishes, follows and locks', async () => {
    const etcd = connect(servers, secure);
    const routes = routesOf(etcd);
    const follow = new Follow(routes);
    await eventually(() => follow.address === first);
    const before = await routes.read(forever);
    assert.ok(before.kind === 'route');
    assert.equal((await routes.publish(second, before.route.revision, forever)).kind, 'published');
    await eventually(() => follow.address === second);
    const lock = new EtcdFailoverLock(etcd, '/master', new FakeLog(), 2_000);
    const held = await lock.acquire(holder, forever);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assert.ok(!held.lost.aborted);
    await held.release(forever);
    await follow.stop();
  });

  it('reaches a member by its name', async () => {
    const endpoints = servers.endpoints.map((url) => url.replace('127.0.0.1', 'localhost'));
    assert.ok((await routesOf(connect({ endpoints }, secure)).read(forever)).kind === 'route');
  });

  it('refuses a member whose certificate is for another host', async () => {
    // The same machine under an address that the certificate does not name.
    const relay = await Relay.to(servers.member(0).url, '127.0.0.2');
    const endpoints = [relay.url.replace('http:', 'https:')];
    await assert.rejects(
      routesOf(connect({ endpoints }, secure)).read(forever),
      /altnames|127\.0\.0\.2 is not/,
    );
    await relay.close();
  });

  it('gets a new token when etcd has forgotten ours, for calls, followers and locks', async () => {
    const etcd = connect(servers, secure);
    const follow = new Follow(routesOf(etcd));
    const lock = new EtcdFailoverLock(etcd, '/master', new FakeLog(), 20_000);
    const held = await lock.acquire(holder, forever);
    await eventually(() => follow.address !== undefined);
    // Its tokens are in the member's memory only.
    await servers.member(0).terminate();
    await servers.startAll();
    const { revision } = await etcd.get('/master', forever);
    const other = connect(servers, secure);
    await other.put('/master', first, forever);
    await eventually(() => follow.address === first && follow.last?.kind === 'route');
    await other.put('/master', second, forever);
    await eventually(() => follow.address === second);
    assert.ok((await etcd.put('/master', first, forever)) > revision);
    await eventually(() => follow.address === first);
    assert.ok(!held.lost.aborted);
    await held.release(forever);
    await follow.stop();
  });

  it('makes one write of a write whose token was forgotten', async () => {
    const etcd = connect(servers, secure);
    const reading = await routesOf(etcd).read(forever);
    assert.ok(reading.kind === 'route');
    await servers.member(0).terminate();
    await servers.startAll();
    const outcome = await routesOf(etcd).publish(second, reading.route.revision, forever);
    assert.equal(outcome.kind, 'published');
  });

  it('goes on following after its role was taken away and given back', async () => {
    const etcd = connect(servers, secure);
    const log = new FakeLog();
    const follow = new Follow(routesOf(etcd, log, 100));
    await eventually(() => follow.last !== undefined);
    await servers.etcdctl(['user', 'revoke-role', 'pgcm', 'pgcm'], { user: root });
    await eventually(() => log.lines.some((line) => String(line['error']).includes('permission denied')));
    await servers.etcdctl(['user', 'grant-role', 'pgcm', 'pgcm'], { user: root });
    const value = follow.address === first ? second : first;
    await servers.etcdctl(['put', '/master', value], { user: root });
    await eventually(() => follow.address === value);
    await follow.stop();
  });

  for (const [name, change, says] of [
    ['a wrong password', { auth: { user: 'pgcm', password: 'wrong' } }, /authentication failed/],
    ['no user', { auth: undefined }, /permission denied/],
    [
      'no client certificate',
      { tls: { cert: undefined, key: undefined } },
      /no connection: |certificate|alert|ECONNRESET/,
    ],
    ['no CA', { tls: { ca: undefined } }, /unable to verify|self.signed|local issuer/],
  ] as const) {
    it(`says what is wrong with ${name}`, async () => {
      const tls = 'tls' in change ? { ...secure.tls, ...change.tls } : secure.tls;
      const etcd = connect(servers, { ...secure, ...change, tls });
      await assert.rejects(routesOf(etcd).read(forever), (error) => {
        assert.ok(hasCode(error, 'unavailable'), describeError(error));
        assert.ok(error.message.includes(servers.member(0).url));
        assert.match(error.message, says);
        assert.doesNotMatch(error.message, /moves|wrong$/);
        return true;
      });
      etcd.close();
    });
  }

  it('says what is wrong with rights that are missing', async () => {
    const etcd = connect(servers, { ...secure, namespace: '/elsewhere' });
    await assert.rejects(routesOf(etcd).read(forever), /get \/master: .*permission denied/);
    await assert.rejects(routesOf(etcd).publish(first, 0n, forever), (error) =>
      hasCode(error, 'unavailable'),
    );
  });
});
