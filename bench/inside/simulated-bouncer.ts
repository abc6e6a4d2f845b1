import { ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import type { Bouncer, BouncerDatabase } from '../../src/domain/bouncer.js';

/** The one file that its proxy writes and it reads, and the one in which it keeps whether it is paused. */
export interface BouncerFiles {
  readonly config: string;
  readonly pause: string;
}

const loginRetryOfFile = '15';

/**
 * A PgBouncer's console without a PgBouncer: one database without clients. It answers RELOAD only when
 * it has read its config file, and PAUSE and RESUME only when what it did is written and read back. At
 * once each, in one go: a real PgBouncer does its work in a process of its own, and here 100 of them share
 * one with their proxies.
 */
export class SimulatedBouncer implements Bouncer {
  #databases: readonly BouncerDatabase[] = [];
  #loginRetry = loginRetryOfFile;
  #isPaused = false;
  /** The file of its pause, open as long as the process runs. */
  readonly #state: number;

  constructor(
    readonly name: string,
    private readonly files: BouncerFiles,
  ) {
    this.#state = openSync(files.pause, 'w+');
  }

  databases(): Promise<readonly BouncerDatabase[]> {
    return Promise.resolve(this.#databases.map((database) => ({ ...database, paused: this.#isPaused })));
  }

  /** It has no clients. */
  pools(): Promise<[]> {
    return Promise.resolve([]);
  }

  pause(): Promise<void> {
    this.#keep(true);
    return Promise.resolve();
  }

  hold(): Promise<void> {
    return this.pause();
  }

  resume(): Promise<'resumed' | 'was-not-paused'> {
    const outcome = this.#isPaused ? 'resumed' : 'was-not-paused';
    this.#keep(false);
    return Promise.resolve(outcome);
  }

  reload(): Promise<void> {
    this.#databases = databasesIn(readFileSync(this.files.config, 'utf8'));
    this.#loginRetry = loginRetryOfFile;
    return Promise.resolve();
  }

  setting(name: string): Promise<string> {
    return Promise.resolve(name === 'server_login_retry' ? this.#loginRetry : '0');
  }

  set(name: string, value: string): Promise<void> {
    if (name === 'server_login_retry') this.#loginRetry = value;
    return Promise.resolve();
  }

  #keep(paused: boolean): void {
    const word = paused ? 'paused' : 'running';
    ftruncateSync(this.#state, writeSync(this.#state, word, 0));
    const readBack = Buffer.alloc(word.length);
    readSync(this.#state, readBack, 0, word.length, 0);
    this.#isPaused = readBack.toString() === 'paused';
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
