import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import { TemplatedConfig } from '../pgbouncer/bouncer-config.js';
import { createProxy } from '../proxy/proxy.js';
import { sdNotify } from '../runtime/sd-notify.js';
import type { Command } from './context.js';
import { bouncersOf, openEtcd, routeStore, runDaemon } from './parts.js';

export const run: Command<'proxy'> = async ({ config, log, signal, env }) => {
  // Before anything is started: a template that cannot be used leaves everything as it is.
  const bouncerConfig = await TemplatedConfig.open(
    {
      configFile: config['pgbouncer-config-file'],
      templateFile: config['pgbouncer-config-template-file'],
      timeout: config['pgbouncer-timeout'],
    },
    signal,
  );
  const etcd = await openEtcd(config, log);
  const proxy = createProxy({
    routes: routeStore(etcd, config, log),
    bouncers: bouncersOf(config),
    config: bouncerConfig,
    log,
    retryInterval: config['pgbouncer-retry-interval'],
  });
  const watchdog = sdNotify(env, (error) => log.warn(events.watchdogError, { error: describeError(error) }));
  try {
    return await runDaemon([proxy, watchdog], log, signal);
  } finally {
    etcd.close();
  }
};
