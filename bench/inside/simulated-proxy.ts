import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../src/domain/log.js';
import { createEtcd, type Etcd } from '../../src/etcd/client.js';
import { EtcdRouteStore } from '../../src/etcd/route-store.js';
import { TemplatedConfig } from '../../src/pgbouncer/bouncer-config.js';
import { createProxy, type RouteProxy } from '../../src/proxy/proxy.js';
import { sleep } from '../../src/runtime/deadline.js';
import type { Service } from '../../src/runtime/service-group.js';
import type { ProxiesConfig } from '../records.js';
import { SimulatedBouncer } from './simulated-bouncer.js';

const template =
  '[databases]\napp = host={{.Host}} port=5432 dbname=app\n\n[pgbouncer]\nlisten_port = 6432\n';

/** The defaults of the daemon. */
const etcdTimes = { timeout: 3_000, dialTimeout: 3_000, keepAliveTime: 5_000, keepAliveTimeout: 2_000 };
const pollInterval = 60_000;
const fileTimeout = 5_000;
const lookInterval = 20;

/** The real proxy with an etcd client of its own, in front of a PgBouncer that is simulated. */
export class SimulatedProxy implements Service {
  private constructor(
    readonly name: string,
    private readonly etcd: Etcd,
    private readonly proxy: RouteProxy,
  ) {}

  /** @param folder its own; made here */
  static async open(
    name: string,
    folder: string,
    { endpoints, masterKey }: ProxiesConfig,
    log: Log,
  ): Promise<SimulatedProxy> {
    await mkdir(folder, { recursive: true });
    const [config, templateFile] = [join(folder, 'pgbouncer.ini'), join(folder, 'pgbouncer.ini.template')];
    await writeFile(templateFile, template);
    const { signal } = new AbortController();
    const etcd = createEtcd({ endpoints: rotated(endpoints, name), namespace: '', ...etcdTimes }, log);
    const routes = new EtcdRouteStore(
      etcd,
      { key: masterKey, pollInterval, getTimeout: etcdTimes.timeout },
      log,
    );
    const bouncer = new SimulatedBouncer(name, { config, pause: join(folder, 'pause') });
    const written = await TemplatedConfig.open(
      { configFile: config, templateFile, timeout: fileTimeout },
      signal,
    );
    const proxy = createProxy({ routes, bouncers: [bouncer], config: written, log, retryInterval: 3_000 });
    return new SimulatedProxy(name, etcd, proxy);
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.proxy.run(signal);
    } finally {
      this.etcd.close();
    }
  }

  /** Until it leads to a route. @throws when the signal is aborted before */
  async leads(signal: AbortSignal): Promise<void> {
    while (this.proxy.state.kind !== 'applied') {
      signal.throwIfAborted();
      await sleep(lookInterval, signal);
    }
  }
}

/** As operators list the members: each host another one first. */
function rotated(endpoints: readonly string[], name: string): string[] {
  const by = Number(/\d+$/.exec(name)?.[0] ?? 0) % endpoints.length;
  return [...endpoints.slice(by), ...endpoints.slice(0, by)];
}
