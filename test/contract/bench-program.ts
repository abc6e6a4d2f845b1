import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A program of the benchmark with the records that it wrote so far. */
export class BenchProgram<R extends { readonly kind: string }> {
  readonly records: R[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #rest = '';

  constructor(name: string, config: object) {
    const file = fileURLToPath(new URL(`../../bench/inside/${name}.js`, import.meta.url));
    this.#child = spawn(process.execPath, [file, JSON.stringify(config)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk));
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve));
  }

  has(kind: R['kind']): boolean {
    return this.records.some((record) => record.kind === kind);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#ended;
  }

  #read(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    this.records.push(...lines.map((line) => JSON.parse(line) as R));
  }
}
