import type { ChildProcess } from 'node:child_process';
import type { Playground } from '../playground/client.js';
import { onLine } from '../playground/lines.js';

const client = 'client01';

export interface Place {
  /** The client host unless given. */
  readonly host?: string;
  /** A command before it, such as one that enters a namespace. */
  readonly through?: readonly string[];
  /** Flags for node. */
  readonly flags?: readonly string[];
}

/** A program of ours that runs in the client host and tells what it sees in lines of JSON. */
export class InsideProgram<R extends { readonly kind: string }> {
  readonly records: R[] = [];
  /** Its end: when all it wrote has been read. */
  readonly ended: Promise<void>;
  #complaint = '';
  #waiting: (() => void)[] = [];

  private constructor(
    private readonly child: ChildProcess,
    private readonly name: string,
  ) {
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.#complaint += chunk));
    if (child.stdout !== null) onLine(child.stdout, (line) => this.#read(line));
    this.ended = new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => {
        resolve();
        this.#wake();
      });
    });
    this.ended.catch(() => this.#wake());
  }

  /**
   * @param name of the compiled program in bench/inside, or its path in the checkout
   * @param place where it runs
   */
  static async start<R extends { readonly kind: string }>(
    playground: Playground,
    name: string,
    config: unknown,
    { host = client, through = [], flags = [] }: Place = {},
  ): Promise<InsideProgram<R>> {
    const file = `/opt/pgcm/dist/${name.includes('/') ? name : `bench/inside/${name}`}.js`;
    const child = await playground.spawn(host, [...through, 'node', ...flags, file, JSON.stringify(config)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new InsideProgram<R>(child, `${name} in ${host}`);
  }

  /** One that was started elsewhere, with its standard output and error piped. */
  static of<R extends { readonly kind: string }>(child: ChildProcess, name: string): InsideProgram<R> {
    return new InsideProgram<R>(child, name);
  }

  /** @throws when it ends before it says so, or the signal is aborted */
  async reached(kind: R['kind'], signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      while (!this.records.some((record) => record.kind === kind)) {
        signal.throwIfAborted();
        if (this.#isOver) throw this.#error(`ended before it was '${kind}'`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  /** Ask it to stop, and wait until it has. @throws when it does not end properly in time */
  async stop(timeoutMs: number): Promise<void> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await this.ended.finally(() => clearTimeout(timer));
    if (!this.records.some(({ kind }) => kind === 'ended')) throw this.#error('did not end properly');
  }

  /** For clean-up; nothing happens when it is gone. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  get pid(): number {
    if (this.child.pid === undefined) throw this.#error('was not started');
    return this.child.pid;
  }

  get #isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  #error(what: string): Error {
    return new Error(`the ${this.name} ${what}: ${this.#complaint.trim() || 'it said nothing'}`);
  }

  #read(line: string): void {
    this.records.push(JSON.parse(line) as R);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
