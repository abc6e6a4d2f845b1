import type { Bouncer, BouncerDatabase, BouncerPool, PauseScope } from '../domain/bouncer.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { abortError, sleep, withEither } from '../runtime/deadline.js';
import { inLanes } from '../runtime/lanes.js';
import { socketPath, type ConsoleOptions, type Row } from './console-connection.js';
import { ALREADY_PAUSED, DATABASE_NOT_PAUSED, NO_DATABASE, NOT_PAUSED, said } from './console-error.js';
import { RowReader } from './row-reader.js';
import { WarmConsole } from './warm-console.js';

/** How often a pause that somebody else began is looked at. */
const DRAIN_LOOK_INTERVAL = 20;

/** It answers within a few milliseconds whatever waits for nobody. */
const HEARD_BY_THEN = 100;

/** So many databases are paused at once: each PAUSE waits for its transactions on a connection of its own. */
const PAUSES_AT_ONCE = 8;

/**
 * A PgBouncer (1.18 is the one tested) through its admin console, see "Admin console" in
 * https://www.pgbouncer.org/usage.html.
 */
export class PgBouncer implements Bouncer {
  readonly name: string;
  readonly #options: ConsoleOptions;
  readonly #console: WarmConsole;
  readonly #read: RowReader;
  /** What was paused last: a resume lets its clients go on before it looks for other pauses. */
  #held: PauseScope = [];
  #takingBack: Promise<unknown> = Promise.resolve();

  constructor(options: ConsoleOptions) {
    this.#options = options;
    this.#console = new WarmConsole(options);
    this.name = socketPath(options);
    this.#read = new RowReader(`PgBouncer at ${this.name}`);
  }

  async databases(signal: AbortSignal): Promise<readonly BouncerDatabase[]> {
    const rows = await this.#console.ask('SHOW DATABASES', signal);
    return rows.map((row) => this.#database(row)).filter(({ name }) => name !== this.#options.database);
  }

  async pools(signal: AbortSignal): Promise<readonly BouncerPool[]> {
    const rows = await this.#console.ask('SHOW POOLS', signal);
    return rows.map((row) => this.#pool(row)).filter(({ database }) => database !== this.#options.database);
  }

  async pause(scope: PauseScope, signal: AbortSignal): Promise<void> {
    // The RESUME of a pause that was given up must not come late and lift this one.
    await this.#takingBack;
    this.#held = scope;
    const commands = scope === 'all' ? ['PAUSE'] : scope.map((name) => `PAUSE ${quoted(name)}`);
    const progress = { sent: false };
    try {
      await inLanes(commands, PAUSES_AT_ONCE, signal, (command, on) =>
        this.#pauseOne(command, on, () => (progress.sent = true)),
      );
    } catch (error) {
      // A command that never left has changed nothing, and a single one that was refused has not either.
      if (!progress.sent || (commands.length === 1 && hasCode(error, 'refused'))) throw error;
      const takingBack = this.#takenBack(error);
      this.#takingBack = takingBack;
      throw await takingBack;
    }
  }

  async #pauseOne(command: string, signal: AbortSignal, onSent: () => void): Promise<void> {
    try {
      await this.#console.askPatiently(command, signal, onSent);
    } catch (error) {
      if (said(error, NO_DATABASE)) return;
      if (!said(error, ALREADY_PAUSED)) throw error;
      await this.#untilDrained(signal);
    }
  }

  async hold(scope: PauseScope, signal: AbortSignal): Promise<void> {
    await this.#takingBack;
    this.#held = scope;
    const commands = scope === 'all' ? ['PAUSE'] : scope.map((name) => `PAUSE ${quoted(name)}`);
    await inLanes(commands, PAUSES_AT_ONCE, signal, (command, on) => this.#begin(command, on));
  }

  /** PgBouncer goes on pausing when the connection that asked for it is gone: so it is left when it was heard. */
  async #begin(command: string, signal: AbortSignal): Promise<void> {
    const enough = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const onSent = (): void => void (timer ??= setTimeout(() => enough.abort(), HEARD_BY_THEN));
    try {
      await withEither(signal, enough.signal, (on) => this.#console.askPatiently(command, on, onSent));
    } catch (error) {
      if (enough.signal.aborted && !signal.aborted) return;
      if (![NO_DATABASE, ALREADY_PAUSED].some((text) => said(error, text))) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async resume(signal: AbortSignal): Promise<'resumed' | 'was-not-paused'> {
    const held = this.#held;
    const lifted: string[] = [];
    const lift = async (command: string): Promise<void> => {
      if (await this.#lift(command, signal)) lifted.push(command);
    };
    if (held !== 'all') for (const name of held) await lift(`RESUME ${quoted(name)}`);
    await lift('RESUME');
    for (const { name, paused } of await this.databases(signal)) {
      if (paused) await lift(`RESUME ${quoted(name)}`);
    }
    this.#held = [];
    return lifted.length > 0 ? 'resumed' : 'was-not-paused';
  }

  /** @returns whether there was something to lift */
  async #lift(command: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#console.ask(command, signal);
      return true;
    } catch (error) {
      if ([NOT_PAUSED, DATABASE_NOT_PAUSED, NO_DATABASE].some((text) => said(error, text))) return false;
      throw error;
    }
  }

  async reload(signal: AbortSignal): Promise<void> {
    await this.#console.ask('RELOAD', signal);
  }

  async setting(name: string, signal: AbortSignal): Promise<string> {
    const rows = await this.#console.ask('SHOW CONFIG', signal);
    const row = rows.find((candidate) => candidate['key'] === name);
    const value = row === undefined ? undefined : this.#read.text(row, 'value');
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
    await this.#console.ask(`SET ${name}='${value}'`, signal);
  }

  /**
   * "Already paused" is also the answer while an earlier PAUSE still waits for open transactions. It is
   * over when no server connection is in use: PgBouncer itself counts the same two columns.
   */
  async #untilDrained(signal: AbortSignal): Promise<void> {
    for (;;) {
      const pools = await this.#console.ask('SHOW POOLS', signal);
      const inUse = (row: Row): number =>
        this.#read.number(row, 'sv_active') + this.#read.number(row, 'sv_tested');
      if (!pools.some((row) => inUse(row) > 0)) return;
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

  #database(row: Row): BouncerDatabase {
    return {
      name: this.#read.text(row, 'name') ?? '',
      host: this.#read.text(row, 'host'),
      port: this.#read.number(row, 'port'),
      paused: this.#read.number(row, 'paused') !== 0,
      poolMode: this.#read.poolMode(row),
    };
  }

  #pool(row: Row): BouncerPool {
    return {
      database: this.#read.text(row, 'database') ?? '',
      user: this.#read.text(row, 'user') ?? '',
      clientsWaiting: this.#read.number(row, 'cl_waiting'),
      servers: ['sv_active', 'sv_idle', 'sv_used', 'sv_tested'].reduce(
        (sum, column) => sum + this.#read.number(row, column),
        0,
      ),
      longestWait: this.#read.number(row, 'maxwait') * 1_000 + this.#read.number(row, 'maxwait_us') / 1_000,
      poolMode: this.#read.poolMode(row),
    };
  }
}

/** As an identifier of the console's: a name from the site's file, whatever is in it. */
function quoted(database: string): string {
  return `"${database.replaceAll('"', '""')}"`;
}
