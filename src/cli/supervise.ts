import { createManager } from '../cluster/registry.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import { apiServer } from '../grpc/server.js';
import { LocalPostgres } from '../postgres/postgres.js';
import { sdNotify } from '../runtime/sd-notify.js';
import { SuperviseNode } from '../supervise/node-service.js';
import { PauseKeeper } from '../pausing/pause-keeper.js';
import { Publisher } from '../supervise/publisher.js';
import { RoleWatch } from '../supervise/role-watch.js';
import type { Command } from './context.js';
import { apiTls, bouncersOf, openEtcd, routeStore, runDaemon } from './parts.js';

/** How long Pacemaker's tools may take for a change; the command has its own deadline (pacemaker-timeout). */
const CHANGE_TIMEOUT = 20_000;

/** For each part's answer to a health check: within the command's default health-check-timeout. */
const PART_TIMEOUT = 1_500;

export const run: Command<'supervise'> = async ({ config, log, signal, env }) => {
  const tls = await apiTls(config);
  const etcd = await openEtcd(config, log);
  const routes = routeStore(etcd, config, log);
  const bouncers = bouncersOf(config);
  const manager = createManager('pacemaker', {
    resource: config['pacemaker-resource'],
    getTimeout: config['pacemaker-get-timeout'],
    changeTimeout: CHANGE_TIMEOUT,
  });
  const postgres = new LocalPostgres({
    socketDir: config['postgres-socket-dir'],
    port: config['postgres-port'],
    user: config['postgres-user'],
    database: config['postgres-database'],
    password: config['postgres-password'],
    timeout: config['postgres-timeout'],
  });
  const keeper = new PauseKeeper({ bouncers, timeout: config['pgbouncer-timeout'], log });
  const roleWatch: RoleWatch = new RoleWatch({
    postgres,
    log,
    onChange: () => publisher.hurry(),
  });
  const publisher = new Publisher({
    manager,
    routes,
    role: roleWatch,
    log,
    pollInterval: config['pacemaker-poll-interval'],
    retryInterval: config['host-key-update-retry-interval'],
    etcdTimeout: config['etcd-timeout'],
  });
  const node = new SuperviseNode({
    manager,
    routes,
    published: () => publisher.published,
    bouncers,
    keeper,
    postgres,
    expectPromotion: () => roleWatch.expectPromotion(),
    log,
    partTimeout: PART_TIMEOUT,
  });
  const server = apiServer(node, { bindAddress: config['bind-address'], tls, log });
  const watchdog = sdNotify(env, (error) => log.warn(events.watchdogError, { error: describeError(error) }));
  try {
    return await runDaemon([server, publisher, roleWatch, keeper, watchdog], log, signal);
  } finally {
    postgres.close();
    etcd.close();
  }
};
