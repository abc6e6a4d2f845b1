import { createManager } from '../cluster/registry.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import { EtcdHistoryStore } from '../etcd/history-store.js';
import { EtcdLockView } from '../etcd/lock-view.js';
import { EtcdMandateCheck } from '../etcd/mandate-check.js';
import { nodeRegistration } from '../etcd/node-registry.js';
import { EtcdTopologyStore } from '../etcd/topology-store.js';
import { nodeApi } from '../grpc/client.js';
import { apiServer } from '../grpc/server.js';
import { LocalPostgres } from '../postgres/postgres.js';
import { seenRecord } from '../postgres/seen-record.js';
import { PostgresReplication } from '../postgres/replication.js';
import { sdNotify } from '../runtime/sd-notify.js';
import { STUCK_AFTER, Vitals } from '../runtime/vitals.js';
import { Addresses } from '../supervise/addresses.js';
import { LocalFacts } from '../supervise/local-facts.js';
import { Janitor } from '../supervise/janitor.js';
import { LocalBouncers } from '../supervise/local-bouncers.js';
import { MandateGate } from '../supervise/mandate-gate.js';
import { SuperviseNode } from '../supervise/node-service.js';
import { OrphanRejoin } from '../supervise/orphan-rejoin.js';
import { PauseKeeper } from '../pausing/pause-keeper.js';
import { Publisher } from '../supervise/publisher.js';
import { Presence } from '../supervise/presence.js';
import { Rejoin } from '../supervise/rejoin.js';
import { ReplicationManager } from '../supervise/replication-manager.js';
import { RoleWatch } from '../supervise/role-watch.js';
import { TopologyPublisher } from '../supervise/topology-publisher.js';
import type { Command } from './context.js';
import { evidenceReader, postgresOptions, replicationOptions } from './local-postgres.js';
import {
  apiTls,
  bouncersOf,
  entitlementStore,
  openEtcd,
  POLL_INTERVAL,
  routeStore,
  runDaemon,
} from './parts.js';
import { superviseHttp } from './supervise-http.js';
import { version } from './version.js';

/** How long Pacemaker's tools may take for a change; the command has its own deadline (pacemaker-timeout). */
const CHANGE_TIMEOUT = 20_000;

/** To entitle a standby may have to wait until a CHECKPOINT is over. */
const LONG_CHECKPOINT = 60_000;

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
  const postgres = new LocalPostgres(postgresOptions(config), () => roleWatch.now());
  const localName = (on: AbortSignal): Promise<string> => manager.localName(on);
  const addresses = new Addresses(manager);
  const gate = new MandateGate(
    new EtcdMandateCheck(etcd, config['etcd-postgres-master-key']),
    config['etcd-timeout'],
  );
  const keeper = new PauseKeeper({
    bouncers,
    timeout: config['pgbouncer-timeout'],
    log,
    // What a proxy that runs here has paused is not ours to lift, also when it is too busy to say so.
    mayLift: (on) =>
      localBouncers.proxyId(on).then(
        (id) => id === '',
        () => false,
      ),
  });
  const vitals = new Vitals();
  const facts = new LocalFacts({ postgres, manager, dataDirectory: config['postgres-data-dir'] });
  const roleWatch: RoleWatch = new RoleWatch({
    postgres,
    log,
    onChange: () => {
      publisher.hurry();
      facts.changed();
    },
    onTurn: vitals.watch('asking PostgreSQL', STUCK_AFTER + 10 * config['postgres-timeout']),
    onLost: () => topologies.onLost(),
  });
  const topologies = new TopologyPublisher({
    topologies: new EtcdTopologyStore(
      etcd,
      {
        routeKey: config['etcd-postgres-master-key'],
        pollInterval: POLL_INTERVAL,
        getTimeout: config['etcd-timeout'],
      },
      log,
    ),
    routes,
    addresses,
    postgres,
    localName,
    facts,
    role: roleWatch,
    log,
    etcdTimeout: config['etcd-timeout'],
  });
  const publisher = new Publisher({
    manager,
    addresses,
    routes,
    herald: topologies,
    role: roleWatch,
    record: {
      get exists() {
        return replication.exists;
      },
      get confirmsUs() {
        return replication.confirms(facts.systemIdentifier);
      },
      get claimedByUs() {
        return replication.claims(facts.systemIdentifier);
      },
    },
    log,
    pollInterval: config['pacemaker-poll-interval'],
    retryInterval: config['host-key-update-retry-interval'],
    etcdTimeout: config['etcd-timeout'],
    onTurn: vitals.watch(
      'publishing',
      STUCK_AFTER +
        2 * config['pacemaker-poll-interval'] +
        10 * (config['pacemaker-get-timeout'] + config['etcd-timeout']),
    ),
  });
  const replication: ReplicationManager = new ReplicationManager({
    store: entitlementStore(etcd, config, log),
    seen: seenRecord(config['agent-state-dir'], config['postgres-timeout']),
    replication: new PostgresReplication(replicationOptions(config)),
    role: roleWatch,
    localName,
    addressOf: (member) => addresses.known(member),
    wanted: config['sync-standbys'],
    strict: config['sync-mode'] === 'strict',
    onConfirmed: () => publisher.hurry(),
    log,
    onTurn: vitals.watch(
      'keeping who may be promoted',
      STUCK_AFTER + LONG_CHECKPOINT + 20 * config['postgres-timeout'] + 2 * config['etcd-timeout'],
    ),
  });
  const proxy = nodeApi(`unix:${config['proxy-socket']}`, undefined);
  const localBouncers: LocalBouncers = new LocalBouncers({
    proxy,
    keeper,
    bouncers,
    primary: () => (publisher.published?.kind === 'route' ? publisher.published.route.address : undefined),
  });
  const rejoin = new Rejoin({
    postgres,
    manager,
    localName,
    dataDirectory: (on) => facts.dataDirectory(on),
    evidence: evidenceReader(config),
    log,
  });
  const lock = new EtcdLockView(etcd, config['etcd-postgres-master-key']);
  const orphanRejoin = new OrphanRejoin({
    lock,
    history: new EtcdHistoryStore(etcd),
    postgres,
    rejoin,
    pass: (on) => gate.pass(undefined, on),
    localName,
    recentLook: (age) => publisher.recentLook(age),
    locate: async (name, on) => ({ name, address: await addresses.of(name, on) }),
    log,
    etcdTimeout: config['etcd-timeout'],
  });
  const node = new SuperviseNode({
    manager,
    localName,
    addresses,
    recentLook: (age) => publisher.recentLook(age),
    routes,
    bouncers: localBouncers,
    postgres,
    gate,
    rejoin,
    onPrepared: (mandate) => orphanRejoin.serves(mandate),
    onDemotion: () => publisher.expectDemotion(),
    promotion: {
      expect: () => {
        if (publisher.expectPromotion()) roleWatch.expectPromotion();
      },
      happened: (ms, on) => roleWatch.promoted(ms, on),
    },
    log,
  });
  const janitor = new Janitor({
    manager,
    lock,
    log,
    etcdTimeout: config['etcd-timeout'],
  });
  const presence = new Presence({
    localName,
    addressOf: (name, on) => addresses.of(name, on),
    registration: (name) => nodeRegistration(etcd, name, log),
    bindAddress: config['bind-address'],
    version,
    log,
  });
  const server = apiServer(node, { bindAddress: config['bind-address'], tls, log });
  const history = new EtcdHistoryStore(etcd);
  const http = superviseHttp({
    ...{ config, etcd, history, vitals, log, version: await version(signal) },
    ...{ publisher, role: roleWatch, addresses, postgres, bouncers, keeper, janitor, replication },
  });
  const watchdog = sdNotify(env, (error) => log.warn(events.watchdogError, { error: describeError(error) }), {
    ready: Promise.all([server.listening, http?.listening]),
    stuck: () => vitals.stuck,
  });
  try {
    return await runDaemon(
      [
        ...[
          server,
          publisher,
          topologies,
          roleWatch,
          facts,
          keeper,
          presence,
          janitor,
          orphanRejoin,
          replication,
        ],
        ...(http?.services ?? []),
        watchdog,
      ],
      log,
      signal,
    );
  } finally {
    proxy.close();
    postgres.close();
    etcd.close();
  }
};
