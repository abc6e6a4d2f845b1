import { Socket } from 'node:net';
import { Client } from 'pg';
import { describeError, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

export interface PostgresOptions {
  /** The folder of the unix socket, or a host. */
  readonly socketDir: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: string | undefined;
  /** For each question, the connection included. */
  readonly timeout: Milliseconds;
}

/** The application_name of every connection of pgcm. */
export const APPLICATION = 'pgcm';

export type Row = Readonly<Record<string, unknown>>;

/** One connection; whoever opened it closes it. */
export class Connection {
  readonly #client: Client;
  readonly #socket: Socket;

  private constructor(client: Client, socket: Socket) {
    this.#client = client;
    this.#socket = socket;
  }

  /**
   * Makes one that is still to be `ready`, so that it can be destroyed before it is.
   * @param onEnd the server has ended it
   */
  static start(options: PostgresOptions, onEnd: () => void = () => undefined): Connection {
    const { socketDir, port, user, database, password, timeout } = options;
    const socket = new Socket();
    const client = new Client({
      host: socketDir,
      port,
      user,
      database,
      password,
      connectionTimeoutMillis: timeout,
      application_name: APPLICATION,
      // A unix socket has no TLS, whatever PGSSLMODE says to other programs.
      ...(socketDir.startsWith('/') ? { ssl: false } : {}),
      stream: () => socket,
    });
    client.on('error', onEnd);
    client.on('end', onEnd);
    return new Connection(client, socket);
  }

  async ready(): Promise<void> {
    await this.#client.connect();
  }

  /** The rows of the first statement that has some; several statements go without values only. */
  async query(sql: string, values?: readonly unknown[]): Promise<readonly Row[]> {
    const result: unknown = await (values === undefined
      ? this.#client.query(sql)
      : this.#client.query(sql, [...values]));
    const results = (Array.isArray(result) ? result : [result]) as { readonly rows: readonly Row[] }[];
    return results.find((r) => r.rows.length > 0)?.rows ?? [];
  }

  /** Without a farewell: a frozen server would never answer it. */
  destroy(): void {
    this.#socket.destroy();
  }
}

/** Where PostgreSQL is, for messages. */
export function placeOf({ socketDir, port }: Pick<PostgresOptions, 'socketDir' | 'port'>): string {
  return `PostgreSQL at ${socketDir}, port ${port}`;
}

/**
 * Runs `work` on a connection of its own, which is closed in any case.
 *
 * @param limit of all of it; Infinity when only the signal bounds it
 * @throws PgcmError naming where PostgreSQL is
 */
export async function withConnection<T>(
  options: PostgresOptions,
  limit: Milliseconds,
  signal: AbortSignal,
  work: (connection: Connection, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const what = placeOf(options);
  return runWithDeadline(what, limit, signal, async (on) => {
    const connection = Connection.start(options);
    // The answer that `work` waits for may never come: the end of the wait ends the connection.
    const end = (): void => connection.destroy();
    on.addEventListener('abort', end, { once: true });
    try {
      await connection.ready();
      return await work(connection, on);
    } catch (error) {
      throw postgresError(what, error);
    } finally {
      on.removeEventListener('abort', end);
      end();
    }
  });
}

/** SQLSTATE of an error that PostgreSQL answered with. */
export function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

export const INSUFFICIENT_PRIVILEGE = '42501';

export function postgresError(what: string, error: unknown): PgcmError {
  if (error instanceof PgcmError) return error;
  return new PgcmError('unavailable', `${what}: ${describeError(error)}`, { cause: error });
}

/** PostgreSQL refused: says which right is missing, and the statement that gives it. */
export function missingRight(what: string, tried: string, remedy: string, cause?: unknown): PgcmError {
  return new PgcmError('refused', `${what}: ${tried}: ${remedy}`, { cause });
}
