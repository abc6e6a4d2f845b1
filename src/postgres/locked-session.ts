import type {
  PrimaryIdentity,
  ReplicationLook,
  ReplicationSession,
  Walsender,
} from '../domain/replication.js';
import { PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, runWithDeadline, sleep } from '../runtime/deadline.js';
import {
  Connection,
  INSUFFICIENT_PRIVILEGE,
  missingRight,
  placeOf,
  postgresError,
  sqlState,
  type PostgresOptions,
  type Row,
} from './connection.js';
import { lookOver } from './replication-look.js';

/** Of pg_advisory_lock, in the database postgres; the resource agent's as well. */
export const NAMES_LOCK = 1_885_823_853;

/** A holder has so long to let go of the lock by itself. */
const PATIENCE: Milliseconds = 2_000;
const TRY_AGAIN: Milliseconds = 50;

/** The session's own copy of a setting is new within a millisecond or two of a reload. */
const SEE_AGAIN: Milliseconds = 1;

const IDENTITY = `
  SELECT pg_is_in_recovery() AS in_recovery,
         (SELECT system_identifier FROM pg_control_system())::text AS system,
         CASE WHEN pg_is_in_recovery() THEN 0
              ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
         END::float8 AS timeline`;

/** A lock of one bigint has its upper half in classid, its lower one in objid, and objsubid 1. */
const END_HOLDER = `
  SELECT pg_terminate_backend(pid) AS ended FROM pg_locks
  WHERE locktype = 'advisory' AND classid = 0 AND objid = ${NAMES_LOCK} AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()`;

const WRITE_RECORD = `
  BEGIN; SET LOCAL synchronous_commit = local; SELECT pg_logical_emit_message(true, 'pgcm', 'go on'); COMMIT`;

/** The pid may be another walsender's by now. */
const END_WALSENDER = `
  SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
  WHERE pid = $1 AND backend_start::text = $2 AND backend_type = 'walsender'`;

/** See ReplicationSession. One question at a time. */
export class LockedSession implements ReplicationSession {
  readonly #options: PostgresOptions;
  readonly #connection: Connection;
  readonly #what: string;
  #ended = false;
  #identity: PrimaryIdentity = { inRecovery: true, system: '', timeline: 0 };

  private constructor(options: PostgresOptions) {
    this.#options = options;
    this.#what = placeOf(options);
    this.#connection = Connection.start(options, () => (this.#ended = true));
  }

  static async connect(options: PostgresOptions, signal: AbortSignal): Promise<LockedSession> {
    const session = new LockedSession(options);
    await session.#ask(signal, async (connection) => {
      await connection.ready();
      const [row] = await connection.query(`SET search_path = pg_catalog;${IDENTITY}`);
      session.#identity = {
        inRecovery: row?.['in_recovery'] !== false,
        system: String(row?.['system']),
        timeline: Number(row?.['timeline'] ?? 0),
      };
    });
    return session;
  }

  get identity(): PrimaryIdentity {
    return this.#identity;
  }

  get ended(): boolean {
    return this.#ended;
  }

  async lock(signal: AbortSignal): Promise<void> {
    const patient = monotonic() + PATIENCE;
    const impatient = patient + this.#options.timeout;
    while (!(await this.#tryLock(signal))) {
      const now = monotonic();
      if (now > patient) await this.#endHolder(signal);
      if (now > impatient) {
        const who = 'the session that changes synchronous_standby_names does not end, though it was told to';
        throw new PgcmError('conflict', `${this.#what}: ${who}`);
      }
      if ((await sleep(TRY_AGAIN, signal)) === 'aborted') throw abortError(signal, this.#what);
    }
  }

  async #tryLock(signal: AbortSignal): Promise<boolean> {
    const [row] = await this.#query(`SELECT pg_try_advisory_lock(${NAMES_LOCK}) AS locked`, signal);
    return row?.['locked'] === true;
  }

  async #endHolder(signal: AbortSignal): Promise<void> {
    await this.#privileged(
      'ending the session that has the lock',
      'pg_signal_backend',
      signal,
      (connection) => connection.query(END_HOLDER),
    );
  }

  look(signal: AbortSignal): Promise<ReplicationLook> {
    return this.#ask(signal, (connection) => lookOver(connection, this.#what));
  }

  async setNames(names: string, signal: AbortSignal): Promise<void> {
    await this.#privileged(
      'ALTER SYSTEM SET synchronous_standby_names',
      'ALTER SYSTEM ON PARAMETER synchronous_standby_names, and EXECUTE ON FUNCTION pg_reload_conf()',
      signal,
      async (connection) => {
        await connection.query(
          `ALTER SYSTEM SET synchronous_standby_names = '${names.replaceAll("'", "''")}'`,
        );
        await connection.query('SELECT pg_reload_conf()');
        // A process reloads after the postmaster has: whoever is started from here on has the new setting, too.
        while ((await namesOver(connection)) !== names) {
          if ((await sleep(SEE_AGAIN, signal)) === 'aborted' || this.#ended) return;
        }
      },
    );
  }

  async waiting(pids: readonly number[], signal: AbortSignal): Promise<ReadonlySet<number>> {
    const sql = `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid = ANY($1::int[])`;
    const rows = await this.#query(sql, signal, [pids]);
    return new Set(rows.map((row) => Number(row['pid'])));
  }

  async writeRecord(signal: AbortSignal): Promise<void> {
    await this.#query(WRITE_RECORD, signal);
  }

  async end({ pid, started }: Walsender, signal: AbortSignal): Promise<boolean> {
    const [row] = await this.#privileged('ending a walsender', 'pg_signal_backend', signal, (connection) =>
      connection.query(END_WALSENDER, [pid, started]),
    );
    return row?.['ended'] === true;
  }

  async cancel(pids: readonly number[], signal: AbortSignal): Promise<void> {
    await this.#query('SELECT pg_cancel_backend(pid) FROM unnest($1::int[]) AS pid', signal, [pids]);
  }

  close(): void {
    this.#connection.destroy();
  }

  #query(sql: string, signal: AbortSignal, values?: readonly unknown[]): Promise<readonly Row[]> {
    return this.#ask(signal, (connection) => connection.query(sql, values));
  }

  async #privileged<T>(
    tried: string,
    right: string,
    signal: AbortSignal,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    return this.#ask(signal, async (connection) => {
      try {
        return await work(connection);
      } catch (error) {
        if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
        const role = `${tried} is not allowed to ${this.#options.user}`;
        throw missingRight(
          this.#what,
          role,
          `GRANT ${right} to replication-user, or make it a superuser`,
          error,
        );
      }
    });
  }

  /** An answer that comes late must not be taken for the next question's: a question that fails ends the session. */
  async #ask<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      return await runWithDeadline(this.#what, this.#options.timeout, signal, () => work(this.#connection));
    } catch (error) {
      this.#ended ||= isFarewell(error);
      this.close();
      throw postgresError(this.#what, error);
    }
  }
}

/** Class 57P of SQLSTATE: the server stops, or somebody has ended this backend. */
function isFarewell(error: unknown): boolean {
  return (
    sqlState(error)?.startsWith('57P') ??
    (error instanceof Error && /^Connection terminated/.test(error.message))
  );
}

async function namesOver(connection: Connection): Promise<unknown> {
  const [row] = await connection.query(`SELECT current_setting('synchronous_standby_names') AS names`);
  return row?.['names'];
}
