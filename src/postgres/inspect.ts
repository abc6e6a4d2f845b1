import type { OpenTransaction, PostgresInspection } from '../domain/inspection.js';
import { missingRight, type Connection, type Row } from './connection.js';
import { inspectSenders } from './senders.js';

/** A query is told as far as one recognises it by. */
const QUERY_LENGTH = 200;

/** More than anybody reads; a pooler that lost its mind may have thousands. */
const MOST_TRANSACTIONS = 200;

/** The timeline of a standby is that of the WAL it receives; its control file may be an hour older. */
const STATE = `
  SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
         (SELECT system_identifier FROM pg_control_system())::text AS system_identifier,
         pg_is_in_recovery() AS in_recovery,
         CASE WHEN pg_is_in_recovery()
              THEN COALESCE((SELECT received_tli FROM pg_stat_wal_receiver),
                            (SELECT timeline_id FROM pg_control_checkpoint()))
              ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
         END AS timeline,
         EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming') AS receiving`;

/** Clients with an open transaction, other than pgcm's own questions. */
export const OPEN_TRANSACTIONS = `
  FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
    AND NOT (usename = current_user AND application_name = 'pgcm')`;

export const AGE_MS = `(extract(epoch FROM clock_timestamp() - xact_start) * 1000)::bigint::float8`;

const TRANSACTIONS = `
  SELECT pid, usename::text, datname::text, application_name, COALESCE(host(client_addr), '') AS address,
         ${AGE_MS} AS age_ms, COALESCE(state, '') AS state, left(query, ${QUERY_LENGTH}) AS query
  ${OPEN_TRANSACTIONS}
  ORDER BY xact_start, pid LIMIT ${MOST_TRANSACTIONS}`;

/** @param what where PostgreSQL is, for messages */
export async function inspectPostgres(
  connection: Connection,
  what: string,
  signal: AbortSignal,
): Promise<PostgresInspection> {
  const [state = {}] = await connection.query(STATE);
  if (state['sees_all'] !== true) {
    throw missingRight(
      what,
      'this role does not see the sessions and walsenders of others',
      'GRANT pg_monitor TO postgres-user, as docs/install.md says',
    );
  }
  const transactions = await connection.query(TRANSACTIONS);
  const inRecovery = state['in_recovery'] === true;
  return {
    systemIdentifier: String(state['system_identifier']),
    inRecovery,
    timeline: Number(state['timeline'] ?? 0),
    receiving: state['receiving'] === true,
    senders: await inspectSenders(connection, inRecovery, signal),
    transactions: transactions.map(toTransaction),
  };
}

function toTransaction(row: Row): OpenTransaction {
  return {
    pid: Number(row['pid']),
    user: textOf(row['usename']),
    database: textOf(row['datname']),
    application: textOf(row['application_name']),
    address: textOf(row['address']),
    age: Math.max(0, Number(row['age_ms'])),
    state: textOf(row['state']),
    query: textOf(row['query']),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
