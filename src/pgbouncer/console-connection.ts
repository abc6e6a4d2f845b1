import { Socket } from 'node:net';
import { Client } from 'pg';
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

export type Row = Record<string, unknown>;

/** `/var/run/postgresql/.s.PGSQL.6432`, as PostgreSQL's clients build it from a folder and a port. */
export function socketPath({ socketDir, port }: ConsoleOptions): string {
  return `${socketDir}/.s.PGSQL.${port}`;
}

/** One connection to the admin console, for one command at a time. */
export class ConsoleConnection {
  readonly #options: ConsoleOptions;
  readonly #client: Client;
  readonly #socket: Socket;
  #gone = false;

  private constructor(options: ConsoleOptions, client: Client, socket: Socket) {
    this.#options = options;
    this.#client = client;
    this.#socket = socket;
    socket.once('close', () => (this.#gone = true));
  }

  /**
   * @param what the command that it is opened for, for messages
   * @param signal aborting it destroys the connection at once
   * @throws PgcmError `unavailable`, `refused`, `timed-out`, `aborted`
   */
  static async open(options: ConsoleOptions, what: string, signal: AbortSignal): Promise<ConsoleConnection> {
    const where = `PgBouncer at ${socketPath(options)}: ${what}`;
    const socket = new Socket();
    const client = clientOn(socket, options);
    const onAbort = (): void => void socket.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await runWithDeadline(`${where}: connecting`, options.timeout, signal, () => client.connect());
      return new ConsoleConnection(options, client, socket);
    } catch (error) {
      socket.destroy();
      throw consoleError(error, where, options, signal);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Whether it can take another command. */
  get isOpen(): boolean {
    return !this.#gone && !this.#socket.destroyed && this.#socket.writable;
  }

  /**
   * Sends one command and gives its rows. After any trouble but a no of PgBouncer the connection is destroyed: an
   * answer that comes late must not be taken for the next command's, and a PAUSE that was given up
   * would never be answered at all.
   */
  async ask(command: string, signal: AbortSignal): Promise<readonly Row[]> {
    const onAbort = (): void => this.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      // Text without parameters: they would need the extended protocol, which the console answers by
      // closing the connection.
      const { rows } = await this.#client.query<Row>(command);
      return rows;
    } catch (error) {
      if (!isAnswer(error)) this.destroy();
      throw consoleError(
        error,
        `PgBouncer at ${socketPath(this.#options)}: ${command}`,
        this.#options,
        signal,
      );
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** An idle connection keeps no process alive. */
  set idle(idle: boolean) {
    if (idle) this.#socket.unref();
    else this.#socket.ref();
  }

  /** With a farewell, which nobody waits for: a PgBouncer that hangs would not answer it. */
  close(): void {
    this.#client.end().catch(() => undefined);
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** PgBouncer said no and listens on, as it does not after FATAL. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && error.severity === 'ERROR';
}

function clientOn(socket: Socket, options: ConsoleOptions): Client {
  const { socketDir, port, user, password, database } = options;
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
  return client;
}
