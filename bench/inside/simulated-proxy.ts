import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../src/domain/log.js';
import { createEtcd, type Etcd, type EtcdOptions } from '../../src/etcd/client.js';
import { EtcdPauseRequests } from '../../src/etcd/pause-requests.js';
import { proxyRegistration } from '../../src/etcd/proxy-registry.js';
import { EtcdRouteStore } from '../../src/etcd/route-store.js';
import { EtcdTopologyStore } from '../../src/etcd/topology-store.js';
import { TemplatedConfig } from '../../src/pgbouncer/bouncer-config.js';
import { proxyDaemon, type ProxyDaemon } from '../../src/proxy/daemon.js';
import type { VerifiedRoute } from '../../src/proxy/route-state.js';
import type { Latest } from '../../src/runtime/latest.js';
import { runServices, type Service } from '../../src/runtime/service-group.js';
import type { ProxiesConfig } from '../records.js';
import { SimulatedBouncer } from './simulated-bouncer.js';

const template =
  '[databases]\napp = host={{.Host}} port=5432 dbname=app\n\n[pgbouncer]\nlisten_port = 6432\n';

/** The defaults of the daemon. */
const etcdTimes = { timeout: 3_000, dialTimeout: 3_000, keepAliveTime: 30_000, keepAliveTimeout: 5_000 };
export const followed = { pollInterval: 60_000, getTimeout: etcdTimes.timeout };
const bouncerTimeout = 5_000;
const retryInterval = 3_000;

/** What `pgcm proxy` is, but for its control socket, with an etcd client of its own and a simulated PgBouncer. */
export class SimulatedProxy implements Service {
  private constructor(
    readonly name: string,
    private readonly etcd: Etcd,
    private readonly daemon: ProxyDaemon,
  ) {}

  /** @param folder its own; made here */
  static async open(name: string, folder: string, options: ProxiesConfig, log: Log): Promise<SimulatedProxy> {
    await mkdir(folder, { recursive: true });
    const [configFile, templateFile] = [
      join(folder, 'pgbouncer.ini'),
      join(folder, 'pgbouncer.ini.template'),
    ];
    await writeFile(templateFile, template);
    const etcd = createEtcd(etcdOptions(options, name), log);
    const daemon = proxyDaemon({
      identity: { id: name, host: name, instance: randomUUID(), version: 'simulated' },
      routes: new EtcdRouteStore(etcd, { ...followed, key: options.masterKey }, log),
      topologies: new EtcdTopologyStore(etcd, { ...followed, routeKey: options.masterKey }, log),
      requests: new EtcdPauseRequests(etcd, followed, log),
      registration: proxyRegistration(etcd, { id: name, host: name }, log),
      bouncers: [new SimulatedBouncer(name, { config: configFile, pause: join(folder, 'pause') })],
      config: await TemplatedConfig.open(
        { configFile, templateFile, timeout: bouncerTimeout },
        new AbortController().signal,
      ),
      outputs: [],
      replicas: { maxLag: 16 * 1_024 ** 2, fallback: 'none' },
      probe: undefined,
      hold: {
        probe: { find: () => Promise.resolve({ kind: 'accepts' }) },
        interval: 60_000,
        timeout: 0,
        cut: () => Promise.resolve(),
      },
      log,
      timeout: bouncerTimeout,
      retryInterval,
      firstReadTimeout: followed.getTimeout,
    });
    return new SimulatedProxy(name, etcd, daemon);
  }

  /** The last route that its bouncer was seen to lead to. */
  get verified(): Latest<VerifiedRoute | undefined> {
    return this.daemon.proxy.verified;
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      const [failure] = await runServices(this.daemon.services, signal);
      if (failure !== undefined) throw failure.error;
    } finally {
      this.etcd.close();
    }
  }
}

/** As operators list the members: each host another one first. */
export function etcdOptions({ endpoints }: ProxiesConfig, name: string): EtcdOptions {
  const by = Number(/\d+$/.exec(name)?.[0] ?? 0) % endpoints.length;
  const rotated = [...endpoints.slice(by), ...endpoints.slice(0, by)];
  return { endpoints: rotated, namespace: '', ...etcdTimes };
}
