import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { ConfigOf } from '../config/options.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Etcd } from '../etcd/client.js';
import { EtcdHistoryStore } from '../etcd/history-store.js';
import { EtcdLockView } from '../etcd/lock-view.js';
import { EtcdFailoverLock } from '../etcd/lock.js';
import { EtcdPauseRequests } from '../etcd/pause-requests.js';
import { EtcdProxyRegistry } from '../etcd/proxy-registry.js';
import { EtcdTopologyStore } from '../etcd/topology-store.js';
import {
  newContext,
  type SwitchoverContext,
  type SwitchoverOptions,
  type SwitchoverPorts,
} from '../failover/context.js';
import { describeDryRun, dryRun } from '../failover/dry-run.js';
import type { Interrupt } from '../failover/outcome.js';
import type { Step } from '../failover/pipeline.js';
import { describeReport } from '../failover/report.js';
import { runSwitchover, switchoverSteps } from '../failover/switchover.js';
import { nodeApi } from '../grpc/client.js';
import { switchoverReport } from '../records/switchover-report.js';
import { switchoverPlan } from '../records/switchover-plan.js';
import { Interrupted } from '../runtime/interrupt.js';
import type { Command, CommandContext } from './context.js';
import { apiTls, openEtcd, routeStore } from './parts.js';

/** What is followed in etcd is also read so often, in case a watch says nothing. */
const POLL_INTERVAL = 2_000;

export const run: Command<'failover'> = (context) => runFailover(context);

/** @param steps those of a switchover; a test wraps them, to hold one while something dies */
export async function runFailover(
  { config, log, signal, stdout }: CommandContext<'failover'>,
  { steps = switchoverSteps }: { readonly steps?: readonly Step<SwitchoverContext>[] } = {},
): Promise<number> {
  const tls = await apiTls(config);
  const etcd = await openEtcd(config, log);
  const apis = config['failover-api-endpoints'].map((endpoint) => {
    log.info(events.clientConnecting, { endpoint });
    return nodeApi(endpoint, tls);
  });
  const holder = { id: randomUUID(), host: hostname(), pid, since: new Date().toISOString() };
  const context = newContext(
    { apis, log, ...etcdStores(etcd, config, log) },
    switchoverOptions(config),
    holder,
  );
  try {
    if (config['dry-run']) {
      const plan = await dryRun(context, steps, signal);
      stdout.write(config.json ? `${switchoverPlan.serialise(plan)}\n` : describeDryRun(plan));
      return plan.status;
    }
    const report = await runSwitchover(context, { signal, of: interruptOf }, steps);
    stdout.write(config.json ? `${switchoverReport.serialise(report)}\n` : describeReport(report));
    return report.status;
  } finally {
    for (const api of apis) api.close();
    etcd.close();
  }
}

function etcdStores(
  etcd: Etcd,
  config: ConfigOf<'failover'>,
  log: Log,
): Omit<SwitchoverPorts, 'apis' | 'log'> {
  const masterKey = config['etcd-postgres-master-key'];
  const followed = { pollInterval: POLL_INTERVAL, getTimeout: config['etcd-timeout'] };
  return {
    lock: new EtcdFailoverLock(etcd, masterKey, log),
    lockView: new EtcdLockView(etcd, masterKey),
    routes: routeStore(etcd, config, log),
    requests: new EtcdPauseRequests(etcd, followed, log),
    proxies: new EtcdProxyRegistry(etcd, followed, log),
    topology: new EtcdTopologyStore(etcd, { ...followed, routeKey: masterKey }, log),
    history: new EtcdHistoryStore(etcd),
  };
}

function interruptOf(reason: unknown): Interrupt {
  return reason instanceof Interrupted
    ? { name: reason.signalName, status: reason.exitStatus }
    : { name: 'interrupted', status: 1 };
}

export function switchoverOptions(config: ConfigOf<'failover'>): SwitchoverOptions {
  const expiry = config['pause-expiry'];
  return {
    healthCheckTimeout: config['health-check-timeout'],
    lockTimeout: config['lock-timeout'],
    checkpointTimeout: config['no-checkpoint'] ? 'skip' : config['checkpoint-timeout'],
    pauseTimeout: config['pause-timeout'],
    // The loader has refused 0 unless an endless pause was asked for.
    pauseExpiry: expiry === 0 ? 'never' : expiry,
    resumeTimeout: config['resume-timeout'],
    pacemakerTimeout: config['pacemaker-timeout'],
    promoteTimeout: config['promote-timeout'],
    rejoinTimeout: config['no-rejoin'] ? 'skip' : config['rejoin-timeout'],
    etcdTimeout: config['etcd-timeout'],
    to: config.to === '' ? undefined : config.to,
    force: config.force,
    terminateBlockers: config['terminate-blockers'] === 0 ? undefined : config['terminate-blockers'],
    maxLag: config['max-lag'],
  };
}
