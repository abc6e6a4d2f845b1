import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { ProxiesConfig, ProxiesRecord } from '../../bench/records.js';
import type { ProxyListing } from '../../src/domain/stores.js';
import type { Etcd } from '../../src/etcd/client.js';
import { EtcdFailoverLock } from '../../src/etcd/lock.js';
import { EtcdPauseRequests } from '../../src/etcd/pause-requests.js';
import { EtcdProxyRegistry } from '../../src/etcd/proxy-registry.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';
import { BenchProgram } from './bench-program.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';

const followed = { pollInterval: 60_000, getTimeout: 5_000 };
const id = 'b59bb76a-4a0f-4b11-8b15-0f3a4a2f9d3c';

describe('the proxies of the benchmark', () => {
  let servers: EtcdServers;
  let etcd: Etcd;
  let registry: EtcdProxyRegistry;
  let program: BenchProgram<ProxiesRecord>;
  const list = (): Promise<ProxyListing> => registry.list(forever);

  before(async () => {
    servers = await EtcdServers.start();
  });
  after(() => servers.stop());
  beforeEach(async () => {
    etcd = connect(servers);
    registry = new EtcdProxyRegistry(etcd, followed, new FakeLog());
    await etcd.put('/master', '10.0.0.1', forever);
    program = new BenchProgram<ProxiesRecord>('proxies-main', {
      first: 7,
      end: 10,
      endpoints: servers.endpoints,
      masterKey: '/master',
      seconds: 60,
    } satisfies ProxiesConfig);
    await eventually(() => program.has('started'), { what: 'every proxy is registered' });
  });
  afterEach(async () => {
    await program.stop('SIGKILL');
    closeClients();
  });

  it('are registered on the published route, and leave nothing behind', async () => {
    const { proxies } = await list();
    assert.deepEqual(
      proxies.map((proxy) => [proxy.id, proxy.route?.address, proxy.pause.kind, proxy.error]),
      ['sim0008', 'sim0009', 'sim0010'].map((name) => [name, '10.0.0.1', 'running', '']),
    );
    assert.equal(await program.stop(), 0);
    assert.deepEqual((await list()).proxies, []);
    assert.deepEqual(await registry.seen(forever), []);
    assert.deepEqual(
      program.records.map(({ kind }) => kind),
      ['started', 'ended'],
    );
  });

  it('hold their clients for a switchover, follow the new route meanwhile, and let them go on', async () => {
    const held = await new EtcdFailoverLock(etcd, '/master', new FakeLog()).acquire(
      { id, host: 'here', pid: 1, since: new Date().toISOString() },
      forever,
    );
    const requests = new EtcdPauseRequests(etcd, followed, new FakeLog());
    const request = { id, duration: 25_000, timeout: 5_000 } as const;
    const all = async (is: (proxy: ProxyListing['proxies'][number]) => boolean): Promise<boolean> => {
      const { proxies } = await list();
      return proxies.length === 3 && proxies.every(is);
    };
    try {
      await requests.write({ ...request, phase: 'pause', release: undefined }, held, forever);
      await eventually(() => all(({ pause }) => pause.kind === 'paused' && pause.request === id));
      const release = await etcd.put('/master', '10.0.0.2', forever);
      await eventually(() => all(({ route }) => route?.revision === release && route.address === '10.0.0.2'));
      assert.ok(await all(({ pause }) => pause.kind === 'paused'));
      await requests.write({ ...request, phase: 'release', release }, held, forever);
      await eventually(() => all(({ pause }) => pause.kind === 'running'));
    } finally {
      await held.release(forever);
    }
  });
});
