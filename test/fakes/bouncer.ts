import type { Bouncer, BouncerDatabase, BouncerPool, PauseScope } from '../../src/domain/bouncer.js';
import { PgcmError } from '../../src/domain/errors.js';
import { abortError } from '../../src/runtime/deadline.js';

/**
 * A PgBouncer in memory: what it was told to do, and the traps of the real one. RELOAD says yes
 * whatever the file holds, and forgets what SET has set; a restart forgets a pause.
 */
export class FakeBouncer implements Bouncer {
  readonly name: string;
  /** Every command that reached it. */
  readonly commands: string[] = [];
  /** By a PAUSE of all. */
  #pausedAll = false;
  #pausedDatabases = new Set<string>();
  /** Rows of SHOW POOLS. */
  waiting: readonly BouncerPool[] = [];
  /** Transactions that a PAUSE waits for. */
  openTransactions = 0;
  /** What its config file says now; undefined: it cannot be read. */
  file: (() => readonly BouncerDatabase[] | undefined) | undefined;
  /** Settings as the config file has them. */
  readonly fileSettings = new Map([
    ['server_login_retry', '15'],
    ['pool_mode', 'transaction'],
    ['query_wait_timeout', '120'],
  ]);
  #settings = new Map(this.fileSettings);
  #databases: readonly BouncerDatabase[];
  #condition: 'up' | 'down' | 'frozen' = 'up';
  #wake: (() => void)[] = [];

  constructor(databases: readonly BouncerDatabase[] = [], name = 'fake') {
    this.#databases = databases;
    this.name = name;
  }

  /** Any of it. */
  get paused(): boolean {
    return this.#pausedAll || this.#pausedDatabases.size > 0;
  }

  set paused(paused: boolean) {
    this.#pausedAll = paused;
    this.#pausedDatabases.clear();
  }

  /** It ended: nothing listens on its socket. */
  stop(): void {
    this.#condition = 'down';
  }

  /** It starts again and reads its file. */
  start(): void {
    this.#condition = 'up';
    this.paused = false;
    this.#read();
    this.#changed();
  }

  /** Its console accepts, and does not answer until it is thawed. */
  freeze(): void {
    this.#condition = 'frozen';
  }

  thaw(): void {
    this.#condition = 'up';
    this.#changed();
  }

  endTransaction(): void {
    this.openTransactions -= 1;
    this.#changed();
  }

  count(command: string): number {
    return this.commands.filter((one) => one === command).length;
  }

  async databases(signal: AbortSignal): Promise<readonly BouncerDatabase[]> {
    await this.#reach('SHOW DATABASES', signal);
    const paused = (name: string): boolean => this.#pausedDatabases.has(name);
    return this.#databases.map((database) => ({ ...database, paused: paused(database.name) }));
  }

  async pools(signal: AbortSignal): Promise<readonly BouncerPool[]> {
    await this.#reach('SHOW POOLS', signal);
    return this.waiting;
  }

  async pause(scope: PauseScope, signal: AbortSignal): Promise<void> {
    await this.hold(scope, signal);
    try {
      await this.#until(() => this.openTransactions === 0, 'PAUSE', signal);
    } catch (error) {
      this.commands.push('RESUME');
      this.paused = false;
      throw error;
    }
  }

  async hold(scope: PauseScope, signal: AbortSignal): Promise<void> {
    await this.#reach(scope === 'all' ? 'PAUSE' : `PAUSE ${scope.join(' ')}`, signal);
    if (scope === 'all') this.#pausedAll = true;
    else for (const name of scope) if (this.#has(name)) this.#pausedDatabases.add(name);
  }

  #has(name: string): boolean {
    return this.#databases.some((database) => database.name === name);
  }

  async resume(signal: AbortSignal): Promise<'resumed' | 'was-not-paused'> {
    await this.#reach('RESUME', signal);
    const outcome = this.paused ? 'resumed' : 'was-not-paused';
    this.paused = false;
    return outcome;
  }

  async reload(signal: AbortSignal): Promise<void> {
    await this.#reach('RELOAD', signal);
    this.#read();
  }

  async setting(name: string, signal: AbortSignal): Promise<string> {
    await this.#reach('SHOW CONFIG', signal);
    const value = this.#settings.get(name);
    if (value === undefined) throw new PgcmError('invalid-answer', `${this.name}: no setting ${name}`);
    return value;
  }

  async set(name: string, value: string, signal: AbortSignal): Promise<void> {
    await this.#reach(`SET ${name}='${value}'`, signal);
    this.#settings.set(name, value);
  }

  #read(): void {
    const databases = this.file?.();
    if (databases !== undefined) this.#databases = databases;
    this.#settings = new Map(this.fileSettings);
  }

  async #reach(command: string, signal: AbortSignal): Promise<void> {
    await this.#until(() => this.#condition !== 'frozen', command, signal);
    if (this.#condition === 'down') {
      throw new PgcmError('unavailable', `PgBouncer at ${this.name}: ${command}: nothing listens there`);
    }
    this.commands.push(command);
  }

  async #until(reached: () => boolean, what: string, signal: AbortSignal): Promise<void> {
    // One turn of the event loop, as every real command takes some.
    await new Promise((resolve) => setImmediate(resolve));
    while (!signal.aborted) {
      if (reached()) return;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    throw abortError(signal, `PgBouncer at ${this.name}: ${what}`);
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resume of wake) resume();
  }
}
