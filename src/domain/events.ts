/**
 * Every event name that pgcm logs, once. Those of pgsql-cluster-manager keep their names, so that a
 * site's log filters go on working.
 */
export const events = {
  configFileLoading: 'config_file.loading',
  configFileLoaded: 'config_file.loaded',
  configWarning: 'config.warning',

  serverListen: 'server.listen',
  serverInsecure: 'server.insecure',
  serverRequest: 'server.request',
  shutdownStart: 'shutdown.start',
  shutdownEnd: 'shutdown.end',
  serviceFailed: 'service.failed',
  watchdogError: 'watchdog.error',

  etcdError: 'etcd.error',
  etcdConnected: 'etcd.connected',
  etcdUpdate: 'etcd.update',
  etcdLockAcquire: 'etcd.lock.acquire',
  etcdLockAcquired: 'etcd.lock.acquired',
  etcdLockRelease: 'etcd.lock.release',
  etcdLockLost: 'etcd.lock.lost',
  etcdRegistered: 'etcd.registered',
  etcdRegistrationError: 'etcd.registration.error',

  watchStart: 'watch.start',
  watchEnd: 'watch.end',
  pollStart: 'poll.start',
  pollError: 'poll.error',
  pollMissingEtcdValue: 'poll.missing_etcd_value',
  staleRevision: 'stale_revision',
  badValue: 'bad_value',

  pacemakerError: 'pacemaker.error',
  nodeChange: 'node.change',
  publishError: 'publish.error',
  publishRecovered: 'publish.recovered',
  roleChange: 'postgres.role_change',
  blockersTerminated: 'postgres.blockers_terminated',
  orphanedMove: 'pacemaker.orphaned_move',
  topologyUpdate: 'etcd.topology_update',
  rejoinStart: 'rejoin.start',
  rejoinEnd: 'rejoin.end',

  pgbouncerReload: 'pgbouncer.reload_configuration',
  pgbouncerError: 'pgbouncer.error',
  pgbouncerPaused: 'pgbouncer.paused',
  pgbouncerResumed: 'pgbouncer.resumed',
  pgbouncerStillPaused: 'pgbouncer.still_paused',
  pgbouncerPauseExpired: 'pgbouncer.pause_expired',
  pgbouncerLeftoverPause: 'pgbouncer.leftover_pause',
  routeApplied: 'route.applied',
  routeRefused: 'route.refused',
  routeKept: 'route.kept',
  routeError: 'route.error',
  templateError: 'template.error',

  clientConnecting: 'client.connecting',
  clientsHealthCheck: 'clients.health_check',
  clientsPause: 'clients.pgbouncer.pause',
  clientsResume: 'clients.pgbouncer.resume',
  clientsMigrate: 'clients.pacemaker.migrate',
  clientsUnmigrate: 'clients.pacemaker.unmigrate',

  clientsRejoin: 'clients.rejoin',
  checkFinding: 'check.finding',
  checkWaiting: 'check.waiting',
  checkpointError: 'checkpoint.error',
  blockersTerminate: 'blockers.terminate',
  historyError: 'history.error',

  stepStart: 'step.start',
  stepEnd: 'step.end',
  undoStart: 'undo.start',
  undoEnd: 'undo.end',
  failoverInterrupted: 'failover.interrupted',
  failoverEnd: 'failover.end',
} as const;

export type EventName = (typeof events)[keyof typeof events];
