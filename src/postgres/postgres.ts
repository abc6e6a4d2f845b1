import { PgcmError } from '../domain/errors.js';
import type { PostgresInspection, WalSender } from '../domain/inspection.js';
import type { Probe, Terminated } from '../domain/node-api.js';
import type { Postgres, PostgresState, Replication } from '../domain/postgres.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import {
  Connection,
  INSUFFICIENT_PRIVILEGE,
  missingRight,
  placeOf,
  postgresError,
  sqlState,
  withConnection,
  type PostgresOptions,
  type Row,
} from './connection.js';
import { inspectPostgres } from './inspect.js';
import { SENDERS, toSender } from './senders.js';
import { terminateBlockers } from './terminate.js';

export type { PostgresOptions } from './connection.js';

/** What an inspection may take beside the connection: it waits for standbys that do not answer. */
const INSPECTION: Milliseconds = 3_000;

/**
 * latest_end_lsn is the sender's own end of WAL as it last told; the manual's text says something else. What is replayed
 * may be ahead of it for a moment.
 *
 * Until the sender's first word, which is with the WAL that it sends, both times are that of the receiver's start, and
 * latest_end_lsn is null or as old as the receiver before. When the standby has everything from the position on where it
 * starts, the first word comes half a wal_sender_timeout later. So a receiver that waits for it, in the loop that it
 * enters once the sender has agreed to stream, and was told nothing for a second, lacks nothing that the sender has:
 * flushed_lsn is then where it started, or what it had received earlier. (written_lsn is null; receive_start_lsn is
 * older.) Sooner the lag is not known: it may just be about to hear of a gigabyte.
 */
const REPLICATION = `
  SELECT r.pid IS NOT NULL AND r.status IS NULL AS hidden,
         COALESCE(r.status = 'streaming', false) AS receiving,
         pg_wal_lsn_diff(
           CASE WHEN r.last_msg_send_time IS DISTINCT FROM r.last_msg_receipt_time THEN r.latest_end_lsn
                WHEN clock_timestamp() - r.last_msg_receipt_time > interval '1 s' AND EXISTS (
                  SELECT FROM pg_stat_activity a WHERE a.pid = r.pid AND a.wait_event = 'WalReceiverMain')
                THEN GREATEST(r.latest_end_lsn, r.flushed_lsn)
           END, pg_last_wal_replay_lsn())::float8 AS lag
  FROM (SELECT) AS one LEFT JOIN pg_stat_wal_receiver AS r ON true`;

/**
 * This node's own PostgreSQL over its unix socket, on one connection that is made again when it
 * broke. Whatever goes wrong with a question, the connection is thrown away: an answer that comes
 * late must not be taken for the next question's.
 */
export class LocalPostgres implements Postgres {
  readonly #options: PostgresOptions;
  readonly #onEnd: () => void;
  #connection: Connection | undefined;
  /** Questions are asked one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  /** @param onEnd the server has ended the connection: it is stopping, or has died */
  constructor(options: PostgresOptions, onEnd: () => void = () => undefined) {
    this.#options = options;
    this.#onEnd = onEnd;
  }

  async state(signal: AbortSignal): Promise<PostgresState> {
    const [row] = await this.#ask('SELECT pg_is_in_recovery() AS in_recovery', signal);
    return { inRecovery: row?.['in_recovery'] === true };
  }

  /**
   * The timeline of a primary is that of the WAL it writes (the first 8 hex digits of a segment's
   * name): its control file shows the new one only after a checkpoint.
   */
  async probe(signal: AbortSignal): Promise<Probe> {
    const [row] = await this.#ask(
      `SELECT pg_is_in_recovery() AS in_recovery,
              CASE WHEN pg_is_in_recovery()
                   THEN (SELECT timeline_id FROM pg_control_checkpoint())
                   ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
              END AS timeline`,
      signal,
    );
    const inRecovery = row?.['in_recovery'] === true;
    const takesWrites = !inRecovery && (await this.#givesOutTransactionId(signal));
    return { inRecovery, timeline: Number(row?.['timeline'] ?? 0), takesWrites };
  }

  async #givesOutTransactionId(signal: AbortSignal): Promise<boolean> {
    const rows = await this.#ask(
      `BEGIN; SELECT pg_current_xact_id()::text AS xid, current_setting('transaction_read_only') AS read_only; ROLLBACK`,
      signal,
    );
    const [row] = rows;
    return typeof row?.['xid'] === 'string' && row['read_only'] === 'off';
  }

  async replication(signal: AbortSignal): Promise<Replication> {
    const [row] = await this.#ask(REPLICATION, signal);
    if (row?.['hidden'] === true) {
      const lacking = 'this role does not see the WAL receiver';
      throw missingRight(
        placeOf(this.#options),
        lacking,
        'GRANT pg_monitor TO postgres-user, as docs/install.md says',
      );
    }
    const lag = row?.['lag'];
    return {
      receiving: row?.['receiving'] === true,
      lag: typeof lag === 'number' ? Math.max(0, lag) : undefined,
    };
  }

  async senders(signal: AbortSignal): Promise<readonly WalSender[]> {
    return (await this.#ask(SENDERS, signal)).map(toSender);
  }

  /** Each of what follows may take long: on a connection of its own, so that no probe waits behind it. */
  inspect(signal: AbortSignal): Promise<PostgresInspection> {
    return this.#apart(this.#options.timeout + INSPECTION, signal, (connection, on) =>
      inspectPostgres(connection, placeOf(this.#options), on),
    );
  }

  async checkpoint(signal: AbortSignal): Promise<void> {
    await this.#apart(Infinity, signal, async (connection) => {
      try {
        await connection.query('CHECKPOINT');
      } catch (error) {
        throw this.#denied(
          error,
          'CHECKPOINT',
          'GRANT pg_checkpoint TO postgres-user (before PostgreSQL 15 only a superuser may)',
        );
      }
    });
  }

  terminate(olderThan: Milliseconds, signal: AbortSignal): Promise<readonly Terminated[]> {
    return this.#apart(this.#options.timeout + INSPECTION, signal, (connection, on) =>
      terminateBlockers(connection, olderThan, placeOf(this.#options), on),
    );
  }

  async dataDirectory(signal: AbortSignal): Promise<string> {
    return this.#apart(this.#options.timeout, signal, async (connection) => {
      try {
        const [row] = await connection.query('SHOW data_directory');
        const path = row?.['data_directory'];
        if (typeof path === 'string' && path.startsWith('/')) return path;
        throw new PgcmError('invalid-answer', `${placeOf(this.#options)}: data_directory is no path`);
      } catch (error) {
        throw this.#denied(error, 'SHOW data_directory', 'GRANT pg_monitor TO postgres-user');
      }
    });
  }

  #denied(error: unknown, tried: string, remedy: string): unknown {
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) return error;
    const role = `${tried} is not allowed to ${this.#options.user}`;
    return missingRight(placeOf(this.#options), role, remedy, error);
  }

  #apart<T>(
    limit: Milliseconds,
    signal: AbortSignal,
    work: (connection: Connection, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return withConnection(this.#options, limit, signal, work);
  }

  #ask(sql: string, signal: AbortSignal): Promise<readonly Row[]> {
    const what = placeOf(this.#options);
    const answer = this.#queue.then(() =>
      runWithDeadline(what, this.#options.timeout, signal, async () =>
        (await this.#connected()).query(sql),
      ).catch((error: unknown) => {
        this.close();
        throw postgresError(what, error);
      }),
    );
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  async #connected(): Promise<Connection> {
    if (this.#connection !== undefined) return this.#connection;
    // The server ends connections when it stops. The next question makes a new one and says what is wrong.
    const forget = (): void => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      this.#onEnd();
    };
    const connection = Connection.start(this.#options, forget);
    this.#connection = connection;
    await connection.ready();
    return connection;
  }

  /** Without a farewell: a frozen server would never answer it. */
  close(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}
