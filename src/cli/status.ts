import { EtcdHistoryStore } from '../etcd/history-store.js';
import { EtcdLockView } from '../etcd/lock-view.js';
import { nodeApi } from '../grpc/client.js';
import { isWell } from '../status/cluster-status.js';
import { statusJson } from '../status/json.js';
import { clusterStatus } from '../status/status.js';
import { statusText } from '../status/text.js';
import type { Command } from './context.js';
import {
  apiTls,
  entitlementStore,
  openEtcd,
  pauseRequests,
  proxyRegistry,
  routeStore,
  topologyStore,
} from './parts.js';

export const run: Command<'status'> = async ({ config, log, signal, stdout }) => {
  const tls = await apiTls(config);
  const etcd = await openEtcd(config, log);
  const apis = config['failover-api-endpoints'].map((endpoint) => nodeApi(endpoint, tls));
  try {
    const status = await clusterStatus(
      {
        routes: routeStore(etcd, config, log),
        topologies: topologyStore(etcd, config, log),
        proxies: proxyRegistry(etcd, config, log),
        lock: new EtcdLockView(etcd, config['etcd-postgres-master-key']),
        requests: pauseRequests(etcd, config, log),
        history: new EtcdHistoryStore(etcd),
        entitlements: entitlementStore(etcd, config, log),
        apis,
        etcdTimeout: config['etcd-timeout'],
        nodeTimeout: config['health-check-timeout'],
      },
      () => new Date(),
      signal,
    );
    stdout.write(config.json ? `${statusJson(status)}\n` : statusText(status));
    return isWell(status) ? 0 : 1;
  } finally {
    for (const api of apis) api.close();
    etcd.close();
  }
};
