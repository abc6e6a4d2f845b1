import type { ChildProcess } from 'node:child_process';
import type { Playground } from '../../playground/client.js';
import { eventually } from '../support/eventually.js';

export type FailoverLine = Readonly<Record<string, unknown>> & { readonly event: string };

/** A `pgcm failover` on a host, with its log read as it comes. */
export class FailoverRun {
  readonly lines: FailoverLine[] = [];
  readonly startedAt = performance.now();
  #status: number | undefined;
  #endedAt = 0;
  #rest = '';

  private constructor(private readonly child: ChildProcess) {
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk));
    child.on('close', (status) => {
      this.#status = status ?? -1;
      this.#endedAt = performance.now();
    });
  }

  static async start(playground: Playground, host: string, ...args: string[]): Promise<FailoverRun> {
    const argv = [
      'pgcm',
      'failover',
      '--config-file',
      '/etc/pgcm/config.toml',
      '--log-format',
      'json',
      ...args,
    ];
    return new FailoverRun(await playground.spawn(host, argv));
  }

  /** Waits until it logs this; so that the test acts while that is under way. */
  async reached(event: string, step?: string): Promise<void> {
    const here = (): boolean =>
      this.lines.some((l) => l.event === event && (step === undefined || l['step'] === step));
    await eventually(() => here() || this.#status !== undefined, {
      limit: 60_000,
      what: `${event} ${step ?? ''}`,
    });
    if (!here())
      throw new Error(`it ended with ${this.#status ?? ''} before ${event} ${step ?? ''}: ${this.text}`);
  }

  interrupt(): void {
    this.child.kill('SIGINT');
  }

  async status(): Promise<number> {
    await eventually(() => this.#status !== undefined, { limit: 90_000, what: 'the end of pgcm failover' });
    return this.#status ?? -1;
  }

  get elapsedMs(): number {
    return this.#endedAt - this.startedAt;
  }

  get text(): string {
    return this.lines.map((line) => JSON.stringify(line)).join('\n');
  }

  #read(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines.filter((text) => text !== '')) {
      this.lines.push(
        line.startsWith('{') ? (JSON.parse(line) as FailoverLine) : { event: 'text', msg: line },
      );
    }
  }
}
