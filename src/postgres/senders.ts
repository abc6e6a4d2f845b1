import type { WalSender } from '../domain/inspection.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { sleep } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import type { Connection, Row } from './connection.js';

/**
 * How long a standby has to say that it has flushed a record. It says so at once; a busy one within its
 * next fsync. wal_writer_delay, which may pass until the record is sent at all, comes on top.
 */
const ANSWERS_WITHIN: Milliseconds = 1_500;
const LOOK_AGAIN: Milliseconds = 50;

/**
 * Receivers that are not standbys (pg_receivewal, logical replication) speak by their own clock: every
 * 10 s by default, and when the server asks after half of wal_sender_timeout. The time of their last
 * word is of their host's clock, so this leaves room for a difference.
 */
const SILENT_AT_LEAST: Milliseconds = 20_000;
/** Without wal_sender_timeout the server never asks. */
const SILENT_WITHOUT_TIMEOUT: Milliseconds = 60_000;

/** A standby reports what it has replayed, which pg_receivewal never does, and uses no logical slot. */
export const SENDERS = `
  SELECT s.pid, s.application_name, host(s.client_addr) AS address, s.state, s.sync_state,
         GREATEST(0, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                          ELSE pg_current_wal_lsn() END, s.flush_lsn))::text AS lag,
         s.reply_time::text AS reply,
         (extract(epoch FROM clock_timestamp() - COALESCE(s.reply_time, s.backend_start)) * 1000)::float8
           AS silent_ms,
         s.replay_lsn IS NOT NULL AND NOT EXISTS (
           SELECT FROM pg_replication_slots l WHERE l.active_pid = s.pid AND l.slot_type = 'logical'
         ) AS standby
  FROM pg_stat_replication s
  ORDER BY s.application_name, s.pid`;

/** All three in ms. */
const SETTINGS = `
  SELECT (SELECT setting::float8 FROM pg_settings WHERE name = 'wal_sender_timeout') AS sender_timeout,
         (SELECT setting::float8 * 1000 FROM pg_settings WHERE name = 'wal_receiver_status_interval')
           AS status_interval,
         (SELECT setting::float8 FROM pg_settings WHERE name = 'wal_writer_delay') AS writer_delay`;

/** Gives out a transaction id, whose end is a record that is written and sent within wal_writer_delay. */
const WRITE_A_RECORD = 'BEGIN; SELECT pg_current_xact_id(); ROLLBACK';

interface Settings {
  readonly senderTimeout: Milliseconds;
  readonly statusInterval: Milliseconds;
  readonly writerDelay: Milliseconds;
}

/** One row of pg_stat_replication. */
interface Look {
  readonly pid: number;
  readonly sender: WalSender;
  /** Of the receiver's last reply, opaque: whether it changes is what counts. */
  readonly reply: string;
  readonly silentFor: Milliseconds;
  readonly standby: boolean;
}

/**
 * The walsenders of this server, and which of them a fast stop would wait for in vain. An idle standby
 * may rightly be silent for seconds, and the time of its last word is of another host's clock; so a
 * primary is made to send one record, which every standby acknowledges at once, and those that do not
 * are stale. It returns as soon as all have.
 */
export async function inspectSenders(
  connection: Connection,
  inRecovery: boolean,
  signal: AbortSignal,
): Promise<readonly WalSender[]> {
  const settings = await readSettings(connection);
  const before = await look(connection);
  if (inRecovery || !before.some(({ standby }) => standby) || settings.statusInterval === 0) {
    // A standby that is set to say nothing by itself (an interval of 0) does not acknowledge either.
    return before.map((one) => ({ ...one.sender, stale: longSilent(one, settings) }));
  }
  await connection.query(WRITE_A_RECORD);
  const limit = monotonic() + ANSWERS_WITHIN + settings.writerDelay;
  const start = monotonic();
  for (;;) {
    const now = await look(connection);
    const judged = now.map((one) => ({
      ...one.sender,
      stale: judge(one, before, settings, monotonic() - start),
    }));
    const waiting = now.some((one, i) => one.standby && judged[i]?.stale !== undefined);
    if (!waiting || monotonic() > limit || signal.aborted) return judged;
    await sleep(LOOK_AGAIN, signal);
  }
}

function judge(
  now: Look,
  before: readonly Look[],
  settings: Settings,
  waited: Milliseconds,
): string | undefined {
  if (!now.standby) return longSilent(now, settings);
  // One that has connected since was there to do so a moment ago.
  const then = before.find(({ pid }) => pid === now.pid);
  if (then?.reply === now.reply) {
    return `it has not acknowledged a record within ${formatDuration(Math.round(waited))}: its host or its WAL receiver hangs`;
  }
  if (now.sender.state !== 'catchup') return undefined;
  return `it is still catching up, ${now.sender.lag ?? 'an unknown number of'} bytes behind`;
}

function longSilent({ silentFor, standby }: Look, { senderTimeout }: Settings): string | undefined {
  const limit =
    senderTimeout === 0 ? SILENT_WITHOUT_TIMEOUT : Math.max(0.75 * senderTimeout, SILENT_AT_LEAST);
  if (silentFor <= limit) return undefined;
  const who = standby ? 'standby' : 'receiver';
  return `its ${who} has said nothing for ${formatDuration(Math.round(silentFor))}`;
}

async function readSettings(connection: Connection): Promise<Settings> {
  const [row] = await connection.query(SETTINGS);
  return {
    senderTimeout: Number(row?.['sender_timeout'] ?? 0),
    statusInterval: Number(row?.['status_interval'] ?? 0),
    writerDelay: Number(row?.['writer_delay'] ?? 0),
  };
}

async function look(connection: Connection): Promise<readonly Look[]> {
  return (await connection.query(SENDERS)).map(toLook);
}

/** Of a row of SENDERS, without a judgement on its being stale. */
export function toSender(row: Row): WalSender {
  return toLook(row).sender;
}

function toLook(row: Row): Look {
  const lag = row['lag'];
  const text = (name: string): string => (typeof row[name] === 'string' ? row[name] : '');
  const address = text('address');
  const syncState = text('sync_state');
  return {
    pid: Number(row['pid']),
    sender: {
      name: text('application_name'),
      address: address === '' ? undefined : address,
      state: text('state'),
      syncState:
        syncState === 'sync' || syncState === 'quorum' || syncState === 'potential' ? syncState : 'async',
      lag: typeof lag === 'string' ? Number(lag) : undefined,
      stale: undefined,
    },
    reply: text('reply'),
    silentFor: Number(row['silent_ms']),
    standby: row['standby'] === true,
  };
}
