import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import { readMetrics, sumOf, workBetween, type Metrics } from '../../bench/etcd-metrics.js';
import type { ProxiesConfig, ProxiesRecord } from '../../bench/records.js';
import { eventually } from '../support/eventually.js';
import { BenchProgram } from './bench-program.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';

const proxies = 5;
/** Several renewals of each lease, and looks of the proxies at their bouncers, which are every 10 s. */
const observedMs = 15_000;

describe('what proxies cost etcd when nothing changes', () => {
  let servers: EtcdServers;
  let program: BenchProgram<ProxiesRecord> | undefined;
  before(async () => (servers = await EtcdServers.start()));
  after(() => servers.stop());
  afterEach(async () => {
    await program?.stop('SIGKILL');
    closeClients();
  });

  const metrics = async (): Promise<Metrics[]> => Promise.all(servers.endpoints.map(readMetrics));

  it('is their leases and a sign of life, and no write', async (t) => {
    const etcd = connect(servers);
    await etcd.put('/master', '10.0.0.1', forever);
    const running = new BenchProgram<ProxiesRecord>('proxies-main', {
      first: 0,
      end: proxies,
      endpoints: servers.endpoints,
      masterKey: '/master',
      seconds: 120,
    } satisfies ProxiesConfig);
    program = running;
    await eventually(() => running.has('started'), { limit: 30_000, what: 'every proxy is registered' });
    await delay(1_000);
    const [before, revision] = [await metrics(), (await etcd.get('/master', forever)).revision];
    await delay(observedMs);
    const after = await metrics();
    const work = workBetween(before, after);
    t.diagnostic(JSON.stringify(work));

    assert.equal((await etcd.get('/master', forever)).revision, revision, 'something was written');
    assert.equal(work.puts, 0);
    // Our own read of the revision is the one call.
    assert.ok(work.calls <= 1, `${work.calls} calls`);
    // A lease lives for 10 s and is renewed after each third of that.
    const renewals = (proxies * observedMs) / (10_000 / 3);
    assert.ok(Math.abs(work.leaseRenewals - renewals) <= proxies, `${work.leaseRenewals} renewals`);
    // Asked for a sign of life every 2 s, once for all that a proxy watches.
    const signs = (proxies * observedMs) / 2_000;
    assert.ok(work.watchMessages <= signs + proxies, `${work.watchMessages} messages on watches`);
    const watched = after.map((one) => sumOf(one, 'etcd_debugging_mvcc_watch_stream_total'));
    assert.deepEqual(watched, [proxies + 0]);
  });
});
