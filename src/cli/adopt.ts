import { adopt } from '../adopt/adopt.js';
import type { OwnData } from '../adopt/new-record.js';
import { createManager } from '../cluster/registry.js';
import type { ConfigOf } from '../config/options.js';
import type { ClusterManager } from '../domain/cluster.js';
import { hasCode, PgcmError } from '../domain/errors.js';
import { readControlFile } from '../postgres/control-file.js';
import { listens } from '../postgres/listens.js';
import { LocalPostgres } from '../postgres/postgres.js';
import { seenRecord } from '../postgres/seen-record.js';
import type { Command } from './context.js';
import { postgresOptions } from './local-postgres.js';
import { entitlementStore, openEtcd, topologyStore } from './parts.js';

/** Nothing is changed in Pacemaker. */
const CHANGE_TIMEOUT = 1;

export const run: Command<'adopt'> = async ({ config, log, signal, stdout, stderr }) => {
  if (config.node === '') throw new PgcmError('usage', 'adopt: its node is missing: pgcm adopt NODE');
  const etcd = await openEtcd(config, log);
  const manager = createManager('pacemaker', {
    resource: config['pacemaker-resource'],
    getTimeout: config['pacemaker-get-timeout'],
    changeTimeout: CHANGE_TIMEOUT,
  });
  const timeout = config['postgres-timeout'];
  try {
    await adopt(
      {
        node: config.node,
        manager,
        listens: (address, on) => listens(address, config['postgres-port'], timeout, on),
        store: entitlementStore(etcd, config, log),
        topologies: topologyStore(etcd, config, log),
        ownData: (on) => ownData(config, manager, on),
        seen: seenRecord(config['agent-state-dir'], timeout),
        dryRun: config['dry-run'],
        say: (text) => stdout.write(`${text}\n`),
      },
      signal,
    );
    return 0;
  } catch (error) {
    if (!hasCode(error, 'refused')) throw error;
    stderr.write(`pgcm: refused: ${error.message}\n`);
    return 3;
  } finally {
    etcd.close();
  }
};

/** From the control file; a primary that runs is asked for its timeline, which is there only after a checkpoint. */
async function ownData(
  config: ConfigOf<'adopt'>,
  manager: Pick<ClusterManager, 'dataDirectory'>,
  signal: AbortSignal,
): Promise<OwnData> {
  const timeout = config['postgres-timeout'];
  const directory = config['postgres-data-dir'] || (await manager.dataDirectory(signal));
  if (directory === undefined) {
    throw new PgcmError(
      'usage',
      'the data directory is not known to the cluster manager: set postgres-data-dir',
    );
  }
  const control = await readControlFile(directory, { binDir: config['postgres-bin-dir'], timeout }, signal);
  const { systemIdentifier: system, timeline, checkpoint: position, state } = control;
  if (state !== 'in production') return { system, timeline, position, state };
  const postgres = new LocalPostgres(postgresOptions(config));
  try {
    const probe = await postgres.probe(signal);
    return { system, timeline: Math.max(timeline, probe.timeline), position, state };
  } finally {
    postgres.close();
  }
}
