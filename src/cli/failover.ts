import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { ConfigOf } from '../config/options.js';
import { events } from '../domain/events.js';
import { EtcdFailoverLock } from '../etcd/lock.js';
import type { SwitchoverContext, SwitchoverOptions } from '../failover/context.js';
import type { Interrupt } from '../failover/outcome.js';
import type { Step } from '../failover/pipeline.js';
import { runSwitchover, switchoverSteps } from '../failover/switchover.js';
import { nodeApi } from '../grpc/client.js';
import { Interrupted } from '../runtime/interrupt.js';
import type { Command, CommandContext } from './context.js';
import { apiTls, openEtcd, routeStore } from './parts.js';

export const run: Command<'failover'> = (context) => runFailover(context);

/** @param steps those of a switchover; a test wraps them, to hold one while something dies */
export async function runFailover(
  { config, log, signal }: CommandContext<'failover'>,
  { steps = switchoverSteps }: { readonly steps?: readonly Step<SwitchoverContext>[] } = {},
): Promise<number> {
  const tls = await apiTls(config);
  const etcd = await openEtcd(config, log);
  const apis = config['failover-api-endpoints'].map((endpoint) => {
    log.info(events.clientConnecting, { endpoint });
    return nodeApi(endpoint, tls);
  });
  const context = {
    options: switchoverOptions(config),
    apis,
    lock: new EtcdFailoverLock(etcd, config['etcd-postgres-master-key'], log),
    holder: { id: randomUUID(), host: hostname(), pid, since: new Date().toISOString() },
    routes: routeStore(etcd, config, log),
    log,
    nodes: [],
    held: undefined,
    from: undefined,
    pauseRequested: false,
    move: { kind: 'not-begun' },
  } as const;
  try {
    const { status } = await runSwitchover({ ...context }, { signal, of: interruptOf }, steps);
    return status;
  } finally {
    for (const api of apis) api.close();
    etcd.close();
  }
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
    pauseTimeout: config['pause-timeout'],
    // The loader has refused 0 unless an endless pause was asked for.
    pauseExpiry: expiry === 0 ? 'never' : expiry,
    resumeTimeout: config['resume-timeout'],
    pacemakerTimeout: config['pacemaker-timeout'],
    promoteTimeout: config['promote-timeout'],
    etcdTimeout: config['etcd-timeout'],
  };
}
