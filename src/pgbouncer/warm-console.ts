import { hasCode } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { ConsoleConnection, socketPath, type ConsoleOptions, type Row } from './console-connection.js';

/**
 * How long a connection that nobody uses is kept. While clients are paused it is used four times a
 * second, so that the RESUME they wait for needs no login; else the console has no lasting visitor: a
 * PgBouncer that was told to end (1.23 and later) waits for its clients.
 */
const KEPT_FOR: Milliseconds = 1_000;

/** The admin console of one PgBouncer, through the connection of the last command if that is free, else through a new one. */
export class WarmConsole {
  readonly #options: ConsoleOptions;
  #free: ConsoleConnection | undefined;
  #end: NodeJS.Timeout | undefined;

  constructor(options: ConsoleOptions) {
    this.#options = options;
  }

  /** One command, all within pgbouncer-timeout. @throws PgcmError `unavailable`, `refused`, `timed-out`, `aborted` */
  ask(command: string, signal: AbortSignal): Promise<readonly Row[]> {
    const what = `PgBouncer at ${socketPath(this.#options)}: ${command}`;
    return runWithDeadline(what, this.#options.timeout, signal, (within) =>
      this.askPatiently(command, within, () => undefined),
    );
  }

  /**
   * One command that may take as long as the signal allows; only a login has a deadline of its own.
   * @param onSent from here on PgBouncer may have got it
   */
  async askPatiently(command: string, signal: AbortSignal, onSent: () => void): Promise<readonly Row[]> {
    const kept = this.#take();
    if (kept !== undefined) {
      try {
        onSent();
        return await this.#on(kept, command, signal);
      } catch (error) {
        // PgBouncer ended, or closed it, just now. Every command can be repeated.
        if (kept.isOpen || !hasCode(error, 'unavailable')) throw error;
      }
    }
    const opened = await ConsoleConnection.open(this.#options, command, signal);
    onSent();
    return await this.#on(opened, command, signal);
  }

  async #on(connection: ConsoleConnection, command: string, signal: AbortSignal): Promise<readonly Row[]> {
    try {
      return await connection.ask(command, signal);
    } finally {
      if (connection.isOpen) this.#keep(connection);
    }
  }

  #take(): ConsoleConnection | undefined {
    const free = this.#free;
    this.#free = undefined;
    clearTimeout(this.#end);
    if (free?.isOpen !== true) return undefined;
    free.idle = false;
    return free;
  }

  #keep(connection: ConsoleConnection): void {
    this.#free?.close();
    clearTimeout(this.#end);
    this.#free = connection;
    connection.idle = true;
    this.#end = setTimeout(() => {
      this.#free?.close();
      this.#free = undefined;
    }, KEPT_FOR).unref();
  }
}
