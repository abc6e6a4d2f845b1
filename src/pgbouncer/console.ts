import type { Bouncer, BouncerDatabase } from '../domain/bouncer.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { abortError, runWithDeadline, sleep } from '../runtime/deadline.js';
import { socketPath, textColumn, withConsole, type Ask, type ConsoleOptions } from './console-connection.js';
import { ALREADY_PAUSED, NOT_PAUSED, said } from './console-error.js';

/** How often a pause that somebody else began is looked at. */
const DRAIN_LOOK_INTERVAL = 20;

/**
 * A PgBouncer (1.18 is the one tested) through its admin console, see "Admin console" in
 * https://www.pgbouncer.org/usage.html.
 */
export class PgBouncer implements Bouncer {
  readonly name: string;
  readonly #options: ConsoleOptions;
  #takingBack: Promise<unknown> = Promise.resolve();

  constructor(options: ConsoleOptions) {
    this.#options = options;
    this.name = socketPath(options);
  }

  async databases(signal: AbortSignal): Promise<readonly BouncerDatabase[]> {
    const rows = await this.#command('SHOW DATABASES', signal);
    return rows.map((row) => this.#database(row)).filter(({ name }) => name !== this.#options.database);
  }

  async pause(signal: AbortSignal): Promise<void> {
    // The RESUME of a pause that was given up must not come late and lift this one.
    await this.#takingBack;
    const progress = { sent: false };
    try {
      await withConsole(this.#options, 'PAUSE', signal, async (ask) => {
        progress.sent = true;
        await ask('PAUSE').catch(async (error: unknown) => {
          if (!said(error, ALREADY_PAUSED)) throw error;
          await this.#untilDrained(ask, signal);
        });
      });
    } catch (error) {
      // A command that never left has changed nothing, and a refused one has not either.
      if (!progress.sent || hasCode(error, 'refused')) throw error;
      const takingBack = this.#takenBack(error);
      this.#takingBack = takingBack;
      throw await takingBack;
    }
  }

  async resume(signal: AbortSignal): Promise<'resumed' | 'was-not-paused'> {
    try {
      await this.#command('RESUME', signal);
      return 'resumed';
    } catch (error) {
      if (said(error, NOT_PAUSED)) return 'was-not-paused';
      throw error;
    }
  }

  async reload(signal: AbortSignal): Promise<void> {
    await this.#command('RELOAD', signal);
  }

  async setting(name: string, signal: AbortSignal): Promise<string> {
    const rows = await this.#command('SHOW CONFIG', signal);
    const row = rows.find((candidate) => candidate['key'] === name);
    const value = row === undefined ? undefined : this.#text(row, 'value');
    if (value === undefined) {
      throw new PgcmError('invalid-answer', `PgBouncer at ${this.name}: SHOW CONFIG has no ${name}`);
    }
    return value;
  }

  async set(name: string, value: string, signal: AbortSignal): Promise<void> {
    // Nothing that pgcm sets needs more, so nothing else gets into the command's text.
    if (!/^[a-z_]+$/.test(name) || !/^[\w.:, -]*$/.test(value)) {
      throw new PgcmError('internal', `PgBouncer at ${this.name}: cannot SET ${name} to ${value}`);
    }
    await this.#command(`SET ${name}='${value}'`, signal);
  }

  /** One command on its own connection, all within pgbouncer-timeout. */
  #command(command: string, signal: AbortSignal): Promise<readonly Record<string, unknown>[]> {
    const what = `PgBouncer at ${this.name}: ${command}`;
    return runWithDeadline(what, this.#options.timeout, signal, (within) =>
      withConsole(this.#options, command, within, (ask) => ask(command)),
    );
  }

  /**
   * "Already paused" is also the answer while an earlier PAUSE still waits for open transactions. It is
   * over when no server connection is in use: PgBouncer itself counts the same two columns.
   */
  async #untilDrained(ask: Ask, signal: AbortSignal): Promise<void> {
    for (;;) {
      const pools = await ask('SHOW POOLS');
      const busy = pools.some((row) => this.#number(row, 'sv_active') + this.#number(row, 'sv_tested') > 0);
      if (!busy) return;
      if ((await sleep(DRAIN_LOOK_INTERVAL, signal)) === 'aborted') throw abortError(signal, this.name);
    }
  }

  /**
   * Never rejects. PgBouncer goes on pausing after the connection that asked for it is gone. Its signal is its own:
   * that of the pause has ended already.
   *
   * @returns the error for the caller
   */
  async #takenBack(error: unknown): Promise<unknown> {
    try {
      await this.resume(new AbortController().signal);
      return error;
    } catch (failure) {
      return new PgcmError(
        error instanceof PgcmError ? error.code : 'unavailable',
        `${describeError(error)}; and the pause could not be taken back (${describeError(failure)}): ` +
          `if this PgBouncer still runs, its clients wait until RESUME on its console`,
        { cause: error },
      );
    }
  }

  #database(row: Record<string, unknown>): BouncerDatabase {
    return {
      name: this.#text(row, 'name') ?? '',
      host: this.#text(row, 'host'),
      port: this.#number(row, 'port'),
      paused: this.#number(row, 'paused') !== 0,
    };
  }

  #text(row: Record<string, unknown>, column: string): string | undefined {
    return textColumn(row, column, `PgBouncer at ${this.name}`);
  }

  #number(row: Record<string, unknown>, column: string): number {
    const text = this.#text(row, column) ?? '';
    if (/^\d+$/.test(text)) return Number(text);
    throw new PgcmError('invalid-answer', `PgBouncer at ${this.name}: ${column} is no number: ${text}`);
  }
}
