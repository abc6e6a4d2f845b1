import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const init = fileURLToPath(new URL('../../../docker/init.py', import.meta.url));

/** Speaks sd_notify for a fake service. `say STATE...`; `beat` says READY=1, then WATCHDOG=1 for ever. */
const sayer = `
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
if sys.argv[1] == "beat":
    s.send(b"READY=1")
    while True:
        s.send(b"WATCHDOG=1")
        time.sleep(0.05)
if sys.argv[1] == "barrier":
    r, w = os.pipe()
    socket.send_fds(s, [b"BARRIER=1"], [w])
    os.close(w)
    os.read(r, 1)
else:
    s.send("\\n".join(sys.argv[1:]).encode())
`;

/** A host as far as docker/init.py is concerned: pid and mount namespaces of its own, nothing of the machine's in sight. */
export class InitHost {
  readonly folder = mkdtempSync(join(tmpdir(), 'pgcm-init-'));
  readonly say = `python3 ${join(this.folder, 'say.py')}`;
  #unshare: ChildProcess | undefined;
  #output = '';
  #ended: Promise<number | null> = Promise.resolve(null);

  constructor() {
    writeFileSync(join(this.folder, 'say.py'), sayer);
  }

  /** @param services TOML, as docker/services.toml */
  start(services: string): void {
    writeFileSync(this.file('services.toml'), services);
    this.#unshare = spawn(
      'unshare',
      [
        ...['--pid', '--mount', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'],
        ...['python3', init, '--services', this.file('services.toml')],
        ...['--run', this.file('run'), '--log', this.file('log')],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_KIND: 'postgres' } },
    );
    for (const stream of [this.#unshare.stdout, this.#unshare.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => (this.#output += chunk));
    }
    const child = this.#unshare;
    this.#ended = new Promise((resolve) => child.once('close', resolve));
  }

  get output(): string {
    return this.#output;
  }

  /** Exit status of init, once it is gone. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  read(name: string): string {
    return existsSync(this.file(name)) ? readFileSync(this.file(name), 'utf8').trim() : '';
  }

  /** Lines of a file that fake services write to. */
  lines(name: string): string[] {
    return this.read(name).split('\n').filter(Boolean);
  }

  pid(service: string): string {
    return this.read(`run/services/${service}/pid`);
  }

  restarts(service: string): number {
    return Number(this.read(`run/services/${service}/restarts`));
  }

  /** @returns what a command inside prints; pids are those of the inside */
  inside(...argv: readonly string[]): string {
    const result = spawnSync(
      'nsenter',
      ['--target', String(this.#init()), '--pid', '--mount', '--', ...argv],
      { encoding: 'utf8', timeout: 20_000 },
    );
    return result.stdout.trim();
  }

  signal(name: string): void {
    process.kill(this.#init(), name);
  }

  ctl(...words: readonly string[]): { readonly status: number | null; readonly text: string } {
    const argv = [init, '--run', this.file('run'), 'ctl', ...words];
    const result = spawnSync('python3', argv, { encoding: 'utf8', timeout: 20_000 });
    return { status: result.status, text: (result.stdout + result.stderr).trim() };
  }

  /** Take the power away and leave nothing. */
  async remove(): Promise<void> {
    this.#unshare?.kill('SIGKILL');
    await this.#ended;
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The machine's pid of init: unshare's only child. */
  #init(): number {
    const pid = this.#unshare?.pid;
    if (pid === undefined) throw new Error('not started');
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
  }
}
