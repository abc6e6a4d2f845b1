import { Socket } from 'node:net';
import { Client } from 'pg';
import type { Postgres, PostgresState } from '../domain/postgres.js';
import type { Probe } from '../domain/node-api.js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

export interface PostgresOptions {
  /** The folder of the unix socket. */
  readonly socketDir: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: string | undefined;
  /** For each question, the connection included. */
  readonly timeout: Milliseconds;
}

/**
 * This node's own PostgreSQL over its unix socket, on one connection that is made again when it
 * broke. Whatever goes wrong with a question, the connection is thrown away: an answer that comes
 * late must not be taken for the next question's.
 */
export class LocalPostgres implements Postgres {
  readonly #options: PostgresOptions;
  #connection: Connection | undefined;
  /** Questions are asked one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: PostgresOptions) {
    this.#options = options;
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

  inspect = (): Promise<never> => notYet();
  checkpoint = (): Promise<never> => notYet();
  terminate = (): Promise<never> => notYet();
  dataDirectory = (): Promise<never> => notYet();

  #ask(sql: string, signal: AbortSignal): Promise<readonly Record<string, unknown>[]> {
    const what = `PostgreSQL at ${this.#options.socketDir}, port ${this.#options.port}`;
    const answer = this.#queue.then(() =>
      runWithDeadline(what, this.#options.timeout, signal, async () => {
        const client = await this.#connected();
        const result: unknown = await client.query(sql);
        // Several statements in one text give one result each; the one with rows is the answer.
        const results = (Array.isArray(result) ? result : [result]) as { rows: Record<string, unknown>[] }[];
        return results.find((r) => r.rows.length > 0)?.rows ?? [];
      }).catch((error: unknown) => {
        this.close();
        if (error instanceof PgcmError) throw error;
        throw new PgcmError('unavailable', `${what}: ${describeError(error)}`, { cause: error });
      }),
    );
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  async #connected(): Promise<Client> {
    if (this.#connection !== undefined) return this.#connection.client;
    const { socketDir, port, user, database, password, timeout } = this.#options;
    const socket = new Socket();
    const client = new Client({
      host: socketDir,
      port,
      user,
      database,
      password,
      connectionTimeoutMillis: timeout,
      application_name: 'pgcm',
      // A unix socket has no TLS, whatever PGSSLMODE says to other programs.
      ...(socketDir.startsWith('/') ? { ssl: false } : {}),
      stream: () => socket,
    });
    const connection = { client, socket };
    this.#connection = connection;
    // The server ends connections when it stops. The next question makes a new one and says what is wrong.
    const forget = (): void => {
      if (this.#connection === connection) this.#connection = undefined;
    };
    client.on('error', forget);
    client.on('end', forget);
    await client.connect();
    return client;
  }

  /** Without a farewell: a frozen server would never answer it. */
  close(): void {
    this.#connection?.socket.destroy();
    this.#connection = undefined;
  }
}

interface Connection {
  readonly client: Client;
  readonly socket: Socket;
}

function notYet(): Promise<never> {
  return Promise.reject(new PgcmError('unsupported', 'not there yet'));
}
