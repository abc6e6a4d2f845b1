import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { ConfigOf } from '../config/options.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { RouteProbe } from '../domain/route-probe.js';
import { EtcdPauseRequests } from '../etcd/pause-requests.js';
import { proxyRegistration } from '../etcd/proxy-registry.js';
import { apiServer } from '../grpc/server.js';
import { TemplatedOutput } from '../outputs/templated-output.js';
import { TemplatedConfig } from '../pgbouncer/bouncer-config.js';
import { PostgresRouteProbe } from '../postgres/route-probe.js';
import { proxyDaemon } from '../proxy/daemon.js';
import { sdNotify } from '../runtime/sd-notify.js';
import type { Command } from './context.js';
import { bouncersOf, openEtcd, routeStore, runDaemon, topologyStore } from './parts.js';
import { version } from './version.js';

export const run: Command<'proxy'> = async ({ config, log, signal, env }) => {
  // Before anything is started: a template that cannot be used leaves everything as it is.
  const bouncerConfig = await openTemplate(config, signal);
  const etcd = await openEtcd(config, log);
  const host = hostname();
  const id = config['proxy-id'] || host;
  const followed = {
    pollInterval: config['etcd-stream-poll-interval'],
    getTimeout: config['etcd-get-timeout'],
  };
  const daemon = proxyDaemon({
    identity: { id, host, instance: randomUUID(), version: await version(signal) },
    routes: routeStore(etcd, config, log),
    topologies: topologyStore(etcd, config, log),
    requests: new EtcdPauseRequests(etcd, followed, log),
    registration: proxyRegistration(etcd, { id, host }, log),
    bouncers: bouncersOf(config),
    config: bouncerConfig,
    outputs: config.output.map((output) => new TemplatedOutput(output)),
    replicas: { maxLag: config['max-replica-lag'], fallback: config['replica-fallback'] },
    probe: routeProbe(config),
    log,
    timeout: config['pgbouncer-timeout'],
    retryInterval: config['pgbouncer-retry-interval'],
    firstReadTimeout: config['etcd-get-timeout'],
  });
  const socket = apiServer(daemon.control, {
    bindAddress: `unix:${config['proxy-socket']}`,
    tls: undefined,
    log,
  });
  const watchdog = sdNotify(env, (error) => log.warn(events.watchdogError, { error: describeError(error) }));
  try {
    return await runDaemon([...daemon.services, socket, watchdog], log, signal);
  } finally {
    etcd.close();
  }
};

/** A template that cannot be used is a configuration that cannot be used. */
async function openTemplate(config: ConfigOf<'proxy'>, signal: AbortSignal): Promise<TemplatedConfig> {
  try {
    return await TemplatedConfig.open(
      {
        configFile: config['pgbouncer-config-file'],
        templateFile: config['pgbouncer-config-template-file'],
        timeout: config['pgbouncer-timeout'],
      },
      signal,
    );
  } catch (error) {
    if (hasCode(error, 'bad-template')) throw new PgcmError('usage', error.message, { cause: error });
    throw error;
  }
}

function routeProbe(config: ConfigOf<'proxy'>): RouteProbe | undefined {
  if (config['probe-user'] === '') return undefined;
  return new PostgresRouteProbe({
    port: config['probe-port'],
    user: config['probe-user'],
    database: config['probe-database'],
    password: config['probe-password'],
  });
}
