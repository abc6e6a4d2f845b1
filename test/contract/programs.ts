import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { eventually } from '../support/eventually.js';

/** A program that runs beside a test, with its output so far. */
export class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  #stdout = '';
  #stderr = '';

  constructor(file: string, args: readonly string[]) {
    this.#child = spawn(file, args, { env: { PATH: process.env['PATH'], ETCDCTL_API: '3' } });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    // It may be gone when something is written to it.
    this.#child.stdin.on('error', () => undefined);
  }

  get output(): string {
    return this.#stdout;
  }

  get errors(): string {
    return this.#stderr;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits until it printed something that matches. */
  async prints(pattern: RegExp): Promise<void> {
    await eventually(() => pattern.test(this.#stdout), {
      limit: 30_000,
      what: `it prints ${String(pattern)}`,
    });
  }

  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Closes its input. */
  end(): void {
    this.#child.stdin.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async exit(): Promise<number | null> {
    if (!this.ended) await new Promise((resolve) => this.#child.once('exit', resolve));
    return this.#child.exitCode;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGKILL');
    await this.exit();
  }
}
