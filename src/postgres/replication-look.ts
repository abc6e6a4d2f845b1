import { PgcmError } from '../domain/errors.js';
import type { ReplicationLook, Walsender } from '../domain/replication.js';
import { parsePosition } from '../domain/wal-position.js';
import type { Connection, Row } from './connection.js';

/**
 * pg_stat_get_wal_senders in place of the view pg_stat_replication, which joins the users as well: this is asked
 * several times a second.
 */
const LOOK = `
  SELECT current_setting('synchronous_standby_names') AS names, pg_current_wal_flush_lsn()::text AS flushed,
         (SELECT setting::float8 * 1000 FROM pg_settings WHERE name = 'wal_receiver_status_interval') AS status_interval,
         a.pid, a.backend_start::text AS started, a.application_name AS name, host(a.client_addr) AS address,
         l.slot_name::text AS slot, w.state, w.sync_priority AS place, w.flush_lsn::text AS standby_flushed,
         w.reply_time::text AS reply
  FROM (SELECT) AS one
  LEFT JOIN (pg_stat_get_wal_senders() AS w JOIN pg_stat_get_activity(NULL) AS a ON a.pid = w.pid
             LEFT JOIN pg_replication_slots AS l ON l.active_pid = w.pid AND l.slot_type = 'physical') ON true`;

/** @param what where PostgreSQL is, for messages */
export async function lookOver(connection: Connection, what: string): Promise<ReplicationLook> {
  const rows = await connection.query(LOOK);
  const [first] = rows;
  const flushed = positionOf(first?.['flushed']);
  if (first === undefined || flushed === undefined) {
    throw new PgcmError('invalid-answer', `${what}: it does not tell how far it has flushed`);
  }
  return {
    names: textOf(first['names']),
    flushed,
    statusInterval: Number(first['status_interval'] ?? 0),
    walsenders: rows.filter((row) => row['pid'] !== null).map(walsenderOf),
  };
}

function walsenderOf(row: Row): Walsender {
  const [address, slot] = [textOf(row['address']), textOf(row['slot'])];
  return {
    pid: Number(row['pid']),
    started: textOf(row['started']),
    name: textOf(row['name']),
    address: address === '' ? undefined : address,
    slot: slot === '' ? undefined : slot,
    state: textOf(row['state']),
    place: Number(row['place'] ?? 0),
    flushed: positionOf(row['standby_flushed']),
    reply: textOf(row['reply']),
  };
}

function positionOf(value: unknown): bigint | undefined {
  return typeof value === 'string' ? parsePosition(value) : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
