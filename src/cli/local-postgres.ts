import type { Config } from '../config/options.js';
import type { Located } from '../domain/cluster.js';
import type { PostgresOptions } from '../postgres/connection.js';
import { readControlFile } from '../postgres/control-file.js';
import { readLocalHistory, readPrimaryHistory } from '../postgres/timeline-history.js';
import type { Evidence } from '../supervise/divergence.js';

type PostgresConfig = Pick<
  Config,
  | 'postgres-socket-dir'
  | 'postgres-port'
  | 'postgres-user'
  | 'postgres-database'
  | 'postgres-password'
  | 'postgres-timeout'
  | 'postgres-bin-dir'
>;

/** Of this node's own PostgreSQL. */
export function postgresOptions(config: Omit<PostgresConfig, 'postgres-bin-dir'>): PostgresOptions {
  return {
    socketDir: config['postgres-socket-dir'],
    port: config['postgres-port'],
    user: config['postgres-user'],
    database: config['postgres-database'],
    password: config['postgres-password'],
    timeout: config['postgres-timeout'],
  };
}

/** The same as who may change synchronous_standby_names; the lock for that is one of the database postgres. */
export function replicationOptions(
  config: Parameters<typeof postgresOptions>[0] & Pick<Config, 'replication-user' | 'replication-password'>,
): PostgresOptions {
  const { 'replication-user': user, 'replication-password': password } = config;
  return { ...postgresOptions(config), user, password, database: 'postgres' };
}

/**
 * What shows whether an old primary may follow a new one: its control file and history, and the
 * history of the new one, which is reached over TCP as the same role, at the same port.
 */
export function evidenceReader(
  config: PostgresConfig,
): (dataDirectory: string, primary: Located, signal: AbortSignal) => Promise<Evidence> {
  const options = postgresOptions(config);
  const { timeout } = options;
  const binDir = config['postgres-bin-dir'];
  return async (dataDirectory, { address }, signal) => {
    const primary = await readPrimaryHistory({ ...options, socketDir: address }, signal);
    // Last, so that nothing can change between this look and what follows from it.
    const control = await readControlFile(dataDirectory, { binDir, timeout }, signal);
    const ownHistory = await readLocalHistory(dataDirectory, control.timeline, timeout, signal);
    return { control, ownHistory, primary };
  };
}
