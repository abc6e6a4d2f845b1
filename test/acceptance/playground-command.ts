import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';

const main = fileURLToPath(new URL('../../playground/main.js', import.meta.url));

/** `npm run playground -- ARGS` as a process of its own, without npm. */
export class Command {
  output = '';
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;

  constructor(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [main, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.closed = once(this.child, 'close');
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
  }

  /** @returns the exit status; null when a signal ended it */
  async status(): Promise<number | null> {
    await this.closed;
    return this.child.exitCode;
  }

  async signal(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return this.status();
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}

/** As `eventually`, told in the order in which one says it. @throws when it is not so after timeoutMs */
export function until(
  what: string,
  timeoutMs: number,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  return eventually(isSo, { limit: timeoutMs, what });
}

/** A point in the life of an `up`: a file that it makes, or words that it prints. */
export async function reach(command: Command, point: string, timeoutMs: number): Promise<void> {
  await until(`${point} (it said: ${command.output})`, timeoutMs, () => {
    if (command.ended) throw new Error(`it ended before '${point}': ${command.output}`);
    return point.startsWith('/') ? existsSync(point) : command.output.includes(point);
  });
}
