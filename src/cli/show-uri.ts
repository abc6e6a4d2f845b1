import { connectionUri } from '../domain/connection-uri.js';
import { PgcmError } from '../domain/errors.js';
import { nextHealth } from '../domain/replica-health.js';
import { routeView } from '../domain/route-view.js';
import type { Command } from './context.js';
import { openEtcd, routeStore, topologyStore } from './parts.js';

export const run: Command<'show-uri'> = async ({ config, log, signal, stdout }) => {
  const etcd = await openEtcd(config, log);
  try {
    const routes = routeStore(etcd, config, log);
    const [reading, topology] = await Promise.all([
      routes.read(signal),
      topologyStore(etcd, config, log).read(signal),
    ]);
    if (reading.kind !== 'route') {
      const why = reading.kind === 'missing' ? 'the key does not exist' : reading.why;
      throw new PgcmError('unavailable', `where the primary is, is not published at ${routes.key}: ${why}`);
    }
    if (topology === undefined) {
      const next = 'is a supervise running that publishes it? `pgcm status` tells';
      throw new PgcmError('unavailable', `the members of the cluster are not published: ${next}`);
    }
    const fallback = config['replica-fallback'];
    const health = nextHealth(topology, new Map(), config['max-replica-lag'], 0);
    const view = routeView(reading.route.address, topology, health, fallback);
    const uri = connectionUri(view, {
      role: config.role,
      fallback,
      port: config['uri-port'],
      user: config['uri-user'],
      database: config['uri-dbname'],
    });
    stdout.write(`${uri}\n`);
    return 0;
  } finally {
    etcd.close();
  }
};
