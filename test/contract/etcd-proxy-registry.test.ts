import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { hasCode } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { Registration } from '../../src/domain/stores.js';
import type { ProxyState } from '../../src/domain/switchover.js';
import type { Etcd } from '../../src/etcd/client.js';
import { EtcdNodeRegistry, nodeRegistration } from '../../src/etcd/node-registry.js';
import { EtcdProxyRegistry, proxyRegistration } from '../../src/etcd/proxy-registry.js';
import { FakeLog } from '../fakes/log.js';
import { FakeProxyRegistry, proxyOf } from '../fakes/proxies.js';
import { eventually, stays } from '../support/eventually.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';
import { proxyRegistryContract } from './proxy-registry-contract.js';

const KEY = '/pgcm/proxies/app01';
const SEEN = '/pgcm/proxies-seen/app01';

function registryOf(etcd: Etcd, log = new FakeLog()): EtcdProxyRegistry {
  return new EtcdProxyRegistry(etcd, { pollInterval: 60_000, getTimeout: 5_000 }, log);
}

describe('proxies in etcd', () => {
  let servers: EtcdServers;
  const running: { readonly stop: AbortController; readonly ended: Promise<void> }[] = [];
  before(async () => (servers = await EtcdServers.start()));
  after(() => servers.stop());
  afterEach(async () => {
    await servers.startAll();
    for (const { stop } of running) stop.abort();
    for (const { ended } of running.splice(0)) await ended;
    closeClients();
    await servers.etcdctl(['del', '', '--from-key=true']);
  });

  function run<T>(registration: Registration<T>): AbortController {
    const stop = new AbortController();
    const ended = registration.run(stop.signal);
    ended.catch(() => undefined);
    running.push({ stop, ended });
    return stop;
  }

  function register(etcd: Etcd, { log = new FakeLog(), ttl = 120_000 } = {}): Registration<ProxyState> {
    const registration = proxyRegistration(etcd, { id: 'app01', host: 'app01' }, log, ttl);
    run(registration);
    return registration;
  }

  proxyRegistryContract(() => {
    const etcd = connect(servers);
    return Promise.resolve({
      registry: registryOf(etcd),
      registrationOf: (id) => proxyRegistration(etcd, { id, host: id }, new FakeLog()),
    });
  });

  it('register under a lease, and are on the list of those that were seen without one', async () => {
    const etcd = connect(servers, { namespace: '/site-a' });
    register(etcd).set(proxyOf('app01'));
    const at = async (key: string): Promise<string> => servers.etcdctl(['get', key, '-w', 'json']);
    await eventually(async () => (await at(`/site-a${KEY}`)).includes('"lease":'));
    const seen = await at(`/site-a${SEEN}`);
    assert.ok(seen.includes('"kvs"') && !seen.includes('"lease":'), seen);
  });

  it('whose process died are gone with their lease, and are remembered', async () => {
    const etcd = connect(servers);
    const other = registryOf(connect(servers));
    register(etcd, { ttl: 1_000 }).set(proxyOf('app01'));
    await eventually(async () => (await other.list(forever)).proxies.length === 1);
    running.splice(0);
    etcd.close();
    await eventually(async () => (await other.list(forever)).proxies.length === 0);
    assert.deepEqual(
      (await other.seen(forever)).map(({ id }) => id),
      ['app01'],
    );
  });

  it('register again when their lease was ended', async () => {
    const etcd = connect(servers);
    const log = new FakeLog();
    register(etcd, { log, ttl: 2_000 }).set(proxyOf('app01'));
    await eventually(() => log.of(events.etcdRegistered).length === 1);
    const lease = String(log.of(events.etcdRegistered)[0]?.['lease']);
    await servers.etcdctl(['lease', 'revoke', lease]);
    await eventually(() => log.of(events.etcdRegistered).length === 2);
    assert.notEqual(log.of(events.etcdRegistered)[1]?.['lease'], lease);
    assert.equal((await registryOf(etcd).list(forever)).proxies.length, 1);
    assert.match(String(log.of(events.etcdRegistrationError)[0]?.['error']), /lease/);
  });

  it('are registered again at once when somebody deletes their key', async () => {
    const etcd = connect(servers);
    const log = new FakeLog();
    const registration = register(etcd, { log });
    registration.set(proxyOf('app01'));
    await eventually(() => log.of(events.watchStart).length === 1);
    await servers.etcdctl(['del', KEY]);
    await eventually(async () => (await registryOf(etcd).list(forever)).proxies.length === 1);
    registration.set(proxyOf('app01', { error: 'x' }));
    await eventually(async () => (await registryOf(etcd).list(forever)).proxies[0]?.error === 'x');
    assert.equal(log.of(events.etcdRegistrationError).length, 0);
  });

  it('with one name between them say so, and do not write over each other without a pause', async () => {
    const log = new FakeLog();
    const etcd = connect(servers);
    register(etcd, { log }).set(proxyOf('app01', { instance: 'one' }));
    await eventually(() => log.of(events.etcdRegistered).length === 1);
    register(connect(servers), { log }).set(proxyOf('app01', { instance: 'two' }));
    const writes = async (): Promise<number> => {
      const text = await servers.etcdctl(['get', KEY, '-w', 'json']);
      return Number(/"version":(\d+)/.exec(text)?.[1] ?? 0);
    };
    await eventually(async () => (await writes()) === 2);
    await stays(async () => (await writes()) === 2, 500);
    await eventually(async () => (await writes()) === 3);
    assert.match(
      String(log.of(events.etcdRegistrationError)[0]?.['error']),
      /another process writes this key/,
    );
  });

  it('write their newest state when etcd is back', async () => {
    const etcd = connect(servers);
    const log = new FakeLog();
    const registration = register(etcd, { log });
    registration.set(proxyOf('app01'));
    await eventually(() => log.of(events.etcdRegistered).length === 1);
    await servers.killAll();
    registration.set(proxyOf('app01', { error: 'first' }));
    await eventually(() => log.of(events.etcdRegistrationError).length > 0);
    registration.set(proxyOf('app01', { error: 'second' }));
    await servers.startAll();
    await eventually(async () => (await registryOf(etcd).list(forever)).proxies[0]?.error === 'second');
  });

  it('register as soon as etcd is there', async () => {
    await servers.killAll();
    const etcd = connect(servers, { timeout: 500 });
    const log = new FakeLog();
    register(etcd, { log }).set(proxyOf('app01'));
    await eventually(() => log.of(events.etcdRegistrationError).length > 0);
    await servers.startAll();
    await eventually(() => log.of(events.etcdRegistered).length === 1);
  });

  it('that are not understood are named, each once in the log of who follows', async () => {
    const etcd = connect(servers);
    const log = new FakeLog();
    await etcd.put('/pgcm/proxies/rubbish', 'x\u001b[2J', forever);
    register(etcd).set(proxyOf('app01'));
    let listing: { proxies: readonly unknown[]; problems: readonly string[] } | undefined;
    const stop = new AbortController();
    const following = registryOf(etcd, log).follow((now) => (listing = now), stop.signal);
    await eventually(() => listing?.proxies.length === 1);
    const copied = await servers.etcdctl(['get', KEY, '--print-value-only']);
    await etcd.put('/pgcm/proxies/app02', copied.trim(), forever);
    await eventually(() => listing?.problems.length === 2);
    assert.match(listing?.problems[0] ?? '', /^"\/pgcm\/proxies\/app02" holds the proxy's state of "app01"$/);
    assert.match(
      listing?.problems[1] ?? '',
      /^"\/pgcm\/proxies\/rubbish" is no proxy's state: it is not JSON$/,
    );
    await etcd.put('/pgcm/proxies/rubbish', 'y', forever);
    await etcd.put('/pgcm/proxies-seen/broken', '{}', forever);
    await eventually(() => log.of(events.badValue).length === 2);
    assert.deepEqual(
      (await registryOf(etcd).seen(forever)).map(({ id }) => id),
      ['app01', 'broken'],
    );
    stop.abort();
    await following;
  });

  it('need a name that can be part of a key', () => {
    const etcd = connect(servers);
    for (const id of ['', '../master', 'a/b', 'a b', '\u001b', 'x'.repeat(129)]) {
      assert.throws(
        () => proxyRegistration(etcd, { id, host: 'h' }, new FakeLog()),
        (error) => hasCode(error, 'usage') && error.message.startsWith('proxy-id '),
      );
    }
  });

  it('have their nodes beside them', async () => {
    const etcd = connect(servers);
    const state = { name: 'pg01', api: 'pg01:8080', version: '0.1.0', since: '2026-01-01T00:00:00Z' };
    const registration = nodeRegistration(etcd, 'pg01', new FakeLog());
    const stop = run(registration);
    registration.set(state);
    const nodes = new EtcdNodeRegistry(etcd);
    await eventually(async () => (await nodes.list(forever)).nodes.length === 1);
    await etcd.put('/pgcm/nodes/pg02', '{}', forever);
    const { nodes: listed, problems } = await nodes.list(forever);
    assert.deepEqual(listed, [state]);
    assert.match(problems.join(), /^"\/pgcm\/nodes\/pg02" is no node's state: "name"/);
    stop.abort();
    await eventually(async () => (await nodes.list(forever)).nodes.length === 0);
  });
});

describe('the proxy registry that other tests use', () => {
  proxyRegistryContract(() => {
    const registry = new FakeProxyRegistry();
    return Promise.resolve({ registry, registrationOf: (id) => registry.registration(id) });
  });
});
