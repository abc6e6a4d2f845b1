import { readFile } from 'node:fs/promises';
import type { Config } from '../config/options.js';
import { pgbouncerSockets } from '../config/sockets.js';
import type { Bouncer } from '../domain/bouncer.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import { createEtcd, type Etcd, type EtcdOptions } from '../etcd/client.js';
import { EtcdEntitlementStore } from '../etcd/entitlement-store.js';
import { EtcdPauseRequests, type FollowedStoreOptions } from '../etcd/pause-requests.js';
import { EtcdProxyRegistry } from '../etcd/proxy-registry.js';
import { EtcdRouteStore } from '../etcd/route-store.js';
import { EtcdTopologyStore } from '../etcd/topology-store.js';
import type { ApiTls } from '../grpc/tls.js';
import { PgBouncer } from '../pgbouncer/console.js';
import { runServices, type Service } from '../runtime/service-group.js';

/** The parts that several commands are made of, each from the options that it is declared to have. */

type EtcdConfig = Pick<Config, Extract<keyof Config, `etcd-${string}`>>;

/** Follow and read intervals for the commands that have no options of their own for them. */
export const POLL_INTERVAL = 60_000;

export async function etcdOptions(
  config: Omit<EtcdConfig, 'etcd-stream-poll-interval' | 'etcd-get-timeout'>,
): Promise<EtcdOptions> {
  const [ca, cert, key] = await Promise.all(
    (['etcd-tls-ca', 'etcd-tls-cert', 'etcd-tls-key'] as const).map((name) =>
      optionalFile(name, config[name]),
    ),
  );
  return {
    endpoints: config['etcd-endpoints'],
    namespace: config['etcd-namespace'],
    timeout: config['etcd-timeout'],
    dialTimeout: config['etcd-dial-timeout'],
    keepAliveTime: config['etcd-keep-alive-time'],
    keepAliveTimeout: config['etcd-keep-alive-timeout'],
    tls: ca === undefined && cert === undefined && key === undefined ? undefined : { ca, cert, key },
    auth:
      config['etcd-user'] === ''
        ? undefined
        : { user: config['etcd-user'], password: config['etcd-password'] },
  };
}

export async function openEtcd(config: Parameters<typeof etcdOptions>[0], log: Log): Promise<Etcd> {
  return createEtcd(await etcdOptions(config), log);
}

export function routeStore(
  etcd: Etcd,
  config: Pick<Config, 'etcd-postgres-master-key'> & FollowConfig,
  log: Log,
  onTrouble?: () => void,
): EtcdRouteStore {
  const key = config['etcd-postgres-master-key'];
  return new EtcdRouteStore(etcd, { key, onTrouble, ...followOptions(config) }, log);
}

type FollowConfig = Pick<Config, 'etcd-timeout'> &
  Partial<Pick<Config, 'etcd-stream-poll-interval' | 'etcd-get-timeout'>>;

function followOptions(config: FollowConfig): FollowedStoreOptions {
  return {
    pollInterval: config['etcd-stream-poll-interval'] ?? POLL_INTERVAL,
    getTimeout: config['etcd-get-timeout'] ?? config['etcd-timeout'],
  };
}

export function pauseRequests(etcd: Etcd, config: FollowConfig, log: Log): EtcdPauseRequests {
  return new EtcdPauseRequests(etcd, followOptions(config), log);
}

export function proxyRegistry(etcd: Etcd, config: FollowConfig, log: Log): EtcdProxyRegistry {
  return new EtcdProxyRegistry(etcd, followOptions(config), log);
}

export function topologyStore(
  etcd: Etcd,
  config: Pick<Config, 'etcd-postgres-master-key'> & FollowConfig,
  log: Log,
): EtcdTopologyStore {
  const options = { routeKey: config['etcd-postgres-master-key'], ...followOptions(config) };
  return new EtcdTopologyStore(etcd, options, log);
}

export function entitlementStore(etcd: Etcd, config: FollowConfig, log: Log): EtcdEntitlementStore {
  return new EtcdEntitlementStore(etcd, followOptions(config), log);
}

export function bouncersOf(
  config: Pick<
    Config,
    | 'pgbouncer-socket-dir'
    | 'pgbouncer-port'
    | 'pgbouncer-user'
    | 'pgbouncer-password'
    | 'pgbouncer-database'
    | 'pgbouncer-timeout'
  >,
): readonly Bouncer[] {
  // The loader has refused lists that cannot be paired.
  const sockets = pgbouncerSockets(config) ?? [];
  return sockets.map(
    ({ dir, port }) =>
      new PgBouncer({
        socketDir: dir,
        port,
        user: config['pgbouncer-user'],
        password: config['pgbouncer-password'],
        database: config['pgbouncer-database'],
        timeout: config['pgbouncer-timeout'],
      }),
  );
}

/** All three files or none; the loader has seen to that. */
export async function apiTls(
  config: Pick<Config, 'api-tls-ca' | 'api-tls-cert' | 'api-tls-key'>,
): Promise<ApiTls | undefined> {
  const [ca, cert, key] = await Promise.all(
    (['api-tls-ca', 'api-tls-cert', 'api-tls-key'] as const).map((name) => optionalFile(name, config[name])),
  );
  return ca === undefined || cert === undefined || key === undefined ? undefined : { ca, cert, key };
}

async function optionalFile(option: string, path: string): Promise<Buffer | undefined> {
  if (path === '') return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new PgcmError('usage', `${option}: ${describeError(cause)}`, { cause });
  }
}

/** Runs a daemon until the signal; says what failed, one line each. @returns the exit status */
export async function runDaemon(
  services: readonly (Service | undefined)[],
  log: Log,
  signal: AbortSignal,
): Promise<number> {
  const onStop = (): void => log.info(events.shutdownStart, { reason: describeError(signal.reason) });
  signal.addEventListener('abort', onStop, { once: true });
  const failures = await runServices(
    services.filter((service) => service !== undefined),
    signal,
  );
  for (const { service, error } of failures) {
    log.error(events.serviceFailed, { service, error: describeError(error) });
  }
  log.info(events.shutdownEnd, {});
  return failures.length === 0 ? 0 : 1;
}
