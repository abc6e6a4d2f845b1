import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Address } from '../domain/address.js';
import type { ConfigOf } from '../config/options.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Milliseconds } from '../domain/time.js';
import { EtcdPauseRequests } from '../etcd/pause-requests.js';
import { proxyRegistration } from '../etcd/proxy-registry.js';
import { apiServer } from '../grpc/server.js';
import { TemplatedOutput } from '../outputs/templated-output.js';
import { TemplatedConfig } from '../pgbouncer/bouncer-config.js';
import { HandshakeProbe } from '../postgres/handshake-probe.js';
import { PostgresRouteProbe } from '../postgres/route-probe.js';
import { proxyDaemon, type ProxyDaemon } from '../proxy/daemon.js';
import { LOOK_INTERVAL_FOR_ANSWERS } from '../proxy/proxy-answers.js';
import { sdNotify } from '../runtime/sd-notify.js';
import { STUCK_AFTER, Vitals } from '../runtime/vitals.js';
import { SocketCutter } from '../runtime/socket-cutter.js';
import type { Command } from './context.js';
import { bouncersOf, openEtcd, routeStore, runDaemon, topologyStore } from './parts.js';
import { proxyHttp } from './proxy-http.js';
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
  const vitals = new Vitals();
  const running = await version(signal);
  const probe = routeProbe(config);
  const daemon: ProxyDaemon = proxyDaemon({
    identity: { id, host, instance: randomUUID(), version: running },
    // The primary's host may be gone, and the etcd member there with it.
    routes: routeStore(etcd, config, log, () => daemon.hold.suspect()),
    topologies: topologyStore(etcd, config, log),
    requests: new EtcdPauseRequests(etcd, followed, log),
    registration: proxyRegistration(etcd, { id, host }, log),
    bouncers: bouncersOf(config),
    config: bouncerConfig,
    outputs: config.output.map((output) => new TemplatedOutput(output)),
    replicas: { maxLag: config['max-replica-lag'], fallback: config['replica-fallback'] },
    probe,
    hold: {
      probe: probe ?? handshakeProbe(config),
      interval: config['probe-interval'],
      timeout: config['hold-timeout'],
      cut: cutter(config, log),
    },
    log,
    timeout: config['pgbouncer-timeout'],
    retryInterval: config['pgbouncer-retry-interval'],
    firstReadTimeout: config['etcd-get-timeout'],
    lookInterval: config['http-address'] === 'off' ? undefined : LOOK_INTERVAL_FOR_ANSWERS,
    onTurn: vitals.watch('applying routes', STUCK_AFTER + 10 * config['pgbouncer-timeout']),
  });
  probe?.watch(() => daemon.hold.suspect());
  const socket = apiServer(daemon.control, {
    bindAddress: `unix:${config['proxy-socket']}`,
    tls: undefined,
    log,
  });
  const http = proxyHttp({ address: config['http-address'], daemon, etcd, vitals, version: running, log });
  const watchdog = sdNotify(env, (error) => log.warn(events.watchdogError, { error: describeError(error) }), {
    ready: http?.listening,
    stuck: () => vitals.stuck,
  });
  try {
    return await runDaemon([...daemon.services, socket, http, watchdog], log, signal);
  } finally {
    probe?.close();
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

function routeProbe(config: ConfigOf<'proxy'>): PostgresRouteProbe | undefined {
  if (config['probe-user'] === '') return undefined;
  return new PostgresRouteProbe({
    port: config['probe-port'],
    user: config['probe-user'],
    database: config['probe-database'],
    password: config['probe-password'],
    keeps: config['probe-keep-connection'],
  });
}

/** A silent host is found out as fast as one that refuses is not. */
const HANDSHAKE_TIMEOUT: Milliseconds = 1_000;

/** Whose login is begun matters to nobody, as long as there is such a user: else PostgreSQL writes to its log. */
function handshakeProbe(config: ConfigOf<'proxy'>): HandshakeProbe {
  return new HandshakeProbe({
    port: config['probe-port'],
    user: 'postgres',
    database: config['probe-database'],
    timeout: HANDSHAKE_TIMEOUT,
  });
}

function cutter(
  config: ConfigOf<'proxy'>,
  log: Log,
): (address: Address, signal: AbortSignal) => Promise<void> {
  if (!config['destroy-sockets']) return () => Promise.resolve();
  const sockets = new SocketCutter(config['probe-port'], log);
  return (address, signal) => sockets.cut(address, signal);
}
