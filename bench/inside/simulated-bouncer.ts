import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Bouncer, BouncerDatabase } from '../../src/domain/bouncer.js';

/** The one file that its proxy writes and it reads, and the one in which it keeps whether it is paused. */
export interface BouncerFiles {
  readonly config: string;
  readonly pause: string;
}

const loginRetryOfFile = '15';

/**
 * A PgBouncer's console without a PgBouncer: one database without clients. It answers RELOAD only when
 * it has read its config file, and PAUSE and RESUME only when what it did is written and read back, so
 * that an answer costs the proxy's host what a real one would.
 */
export class SimulatedBouncer implements Bouncer {
  #databases: readonly BouncerDatabase[] = [];
  #loginRetry = loginRetryOfFile;
  #isPaused = false;

  constructor(
    readonly name: string,
    private readonly files: BouncerFiles,
  ) {}

  async databases(): Promise<readonly BouncerDatabase[]> {
    return Promise.resolve(this.#databases.map((database) => ({ ...database, paused: this.#isPaused })));
  }

  /** It has no clients. */
  pools(): Promise<[]> {
    return Promise.resolve([]);
  }

  async pause(): Promise<void> {
    await this.#keep(true);
  }

  async resume(): Promise<'resumed' | 'was-not-paused'> {
    const outcome = this.#isPaused ? 'resumed' : 'was-not-paused';
    await this.#keep(false);
    return outcome;
  }

  async reload(): Promise<void> {
    this.#databases = databasesIn(await readFile(this.files.config, 'utf8'));
    this.#loginRetry = loginRetryOfFile;
  }

  setting(name: string): Promise<string> {
    return Promise.resolve(name === 'server_login_retry' ? this.#loginRetry : '0');
  }

  set(name: string, value: string): Promise<void> {
    if (name === 'server_login_retry') this.#loginRetry = value;
    return Promise.resolve();
  }

  async #keep(paused: boolean): Promise<void> {
    const draft = `${this.files.pause}.draft`;
    await writeFile(draft, paused ? 'paused' : 'running');
    await rename(draft, this.files.pause);
    this.#isPaused = (await readFile(this.files.pause, 'utf8')) === 'paused';
  }
}

/** The lines of `[databases]`: `name = host=... port=... dbname=...`. */
export function databasesIn(ini: string): BouncerDatabase[] {
  const section = /^\[databases\]\n([^[]*)/m.exec(ini)?.[1] ?? '';
  return [...section.matchAll(/^(\w+) = host=(\S+) port=(\d+)/gm)].map(([, name = '', host, port]) => ({
    name,
    host,
    port: Number(port),
    paused: false,
  }));
}
