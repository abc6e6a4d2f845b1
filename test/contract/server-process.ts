import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A TCP port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL and PgBouncer refuse root: as root they run as the user that Debian's packages make. */
export function serverIdentity(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** A folder of the servers' user. Its path is short, as a unix socket's may have 107 bytes. */
export function serverFolder(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `pgcm-${name}-`));
  const identity = serverIdentity();
  if (identity !== undefined) chownSync(path, identity.uid, identity.gid);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** One process of a server, ended by its own id. What it prints is kept for messages. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';

  constructor(file: string, args: readonly string[]) {
    // The kernel ends the server with this process, should that be killed before it can clean up.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', file, ...args], {
      ...serverIdentity(),
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => (this.#output += chunk));
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#output += error.message;
        resolve();
      });
      this.#child.once('exit', () => resolve());
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`not started: ${this.#output}`);
    return this.#child.pid;
  }

  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Sends the signal and waits for the end; SIGKILL when it takes longer than `limit` ms. */
  async end(name: NodeJS.Signals, limit = 10_000): Promise<void> {
    if (!this.running) return;
    this.signal(name);
    // A stopped process handles nothing but SIGKILL.
    this.signal('SIGCONT');
    const timer = setTimeout(() => this.signal('SIGKILL'), limit);
    await this.#ended;
    clearTimeout(timer);
  }
}
