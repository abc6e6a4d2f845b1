import { Socket } from 'node:net';
import { Client } from 'pg';
import { describeError, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { consoleError } from './console-error.js';

export interface ConsoleOptions {
  /** The folder of the unix socket (unix_socket_dir in the ini). */
  readonly socketDir: string;
  /** listen_port: it names the socket. */
  readonly port: number;
  /** Has to stand in admin_users. */
  readonly user: string;
  /** Empty when PgBouncer asks for none. */
  readonly password: string;
  /** The admin console's name, `pgbouncer`. */
  readonly database: string;
  /** For every command but the wait of a PAUSE, connecting included (pgbouncer-timeout). */
  readonly timeout: Milliseconds;
}

/** Sends one command and gives its rows. */
export type Ask = (command: string) => Promise<readonly Record<string, unknown>[]>;

/** `/var/run/postgresql/.s.PGSQL.6432`, as PostgreSQL's clients build it from a folder and a port. */
export function socketPath({ socketDir, port }: ConsoleOptions): string {
  return `${socketDir}/.s.PGSQL.${port}`;
}

/**
 * Opens a console connection for one piece of work, and closes it however the work ends: orderly when
 * it succeeded, else by destroying the socket, since a PgBouncer that hangs would not answer a farewell
 * and a PAUSE that was given up would never be answered at all.
 *
 * @param what the command, for messages
 * @param signal aborting it destroys the connection at once
 * @throws PgcmError `unavailable`, `refused`, `timed-out`, `aborted`
 */
export async function withConsole<T>(
  options: ConsoleOptions,
  what: string,
  signal: AbortSignal,
  work: (ask: Ask) => Promise<T>,
): Promise<T> {
  const where = `PgBouncer at ${socketPath(options)}: ${what}`;
  const socket = new Socket();
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const client = await connect(options, socket, where, signal);
    const result = await work(async (command) => {
      // Text without parameters: they would need the extended protocol, which the console answers by
      // closing the connection.
      const { rows } = await client.query<Record<string, unknown>>(command);
      return rows;
    });
    await runWithDeadline(`${where}: closing`, options.timeout, signal, () => client.end());
    return result;
  } catch (error) {
    throw consoleError(error, where, options, signal);
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}

async function connect(
  options: ConsoleOptions,
  socket: Socket,
  where: string,
  signal: AbortSignal,
): Promise<Client> {
  const { socketDir, port, user, password, database, timeout } = options;
  const client = new Client({
    host: socketDir,
    port,
    user,
    database,
    // A function, as pg takes an empty text for "look into PGPASSWORD and ~/.pgpass".
    password: () => password,
    // A unix socket has no TLS, whatever PGSSLMODE says to other programs.
    ssl: false,
    application_name: 'pgcm',
    stream: () => socket,
  });
  // Every failure also rejects the promise in hand; without a listener it would end the process.
  client.on('error', () => undefined);
  await runWithDeadline(`${where}: connecting`, timeout, signal, () => client.connect());
  return client;
}

/** What the rows of SHOW look like here: the columns that are asked for, as text. */
export function textColumn(row: Record<string, unknown>, column: string, where: string): string | undefined {
  const value = row[column];
  if (value === null) return undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw new PgcmError(
    'invalid-answer',
    `${where}: the answer has no usable column ${column}: ${describeError(value)}; is this PgBouncer's console?`,
  );
}
