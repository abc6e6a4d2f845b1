import type { ChildProcess } from 'node:child_process';
import { machineClock } from '../../bench/clock.js';
import type { Playground } from '../../playground/client.js';
import { signalIfThere } from '../../playground/exec.js';
import { eventually } from '../support/eventually.js';

export type FailoverLine = Readonly<Record<string, unknown>> & {
  readonly event: string;
  /** When it was read, on the machine's clock. */
  readonly received: number;
};

/** Another program than pgcm, or more around it. */
export interface FailoverProgram {
  readonly argv: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const pgcm: FailoverProgram = { argv: ['pgcm'] };

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

  static start(playground: Playground, host: string, ...args: string[]): Promise<FailoverRun> {
    return FailoverRun.startProgram(playground, host, pgcm, ...args);
  }

  static async startProgram(
    playground: Playground,
    host: string,
    { argv, environment = {} }: FailoverProgram,
    ...args: string[]
  ): Promise<FailoverRun> {
    const common = ['failover', '--config-file', '/etc/pgcm/config.toml', '--log-format', 'json'];
    return new FailoverRun(await playground.spawn(host, [...argv, ...common, ...args], { environment }));
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

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** After SIGSTOP. The program around it, which enters the host, stops itself with what it started. */
  thaw(): void {
    if (this.child.pid !== undefined && !this.ended) signalIfThere(this.child.pid, 'SIGCONT');
    this.child.kill('SIGCONT');
  }

  get ended(): boolean {
    return this.#status !== undefined;
  }

  /** -1 when a signal ended it. */
  async status(limit = 90_000): Promise<number> {
    await eventually(() => this.ended, { limit, what: 'the end of pgcm failover' });
    return this.#status ?? -1;
  }

  /** The steps that have begun and not ended. */
  get stepsUnderWay(): readonly string[] {
    const named = (event: string): readonly string[] =>
      this.lines.filter((line) => line.event === event).map((line) => String(line['step']));
    const ended = named('step.end');
    return named('step.start').filter((step) => !ended.includes(step));
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
      const fields = line.startsWith('{')
        ? (JSON.parse(line) as { readonly event: string })
        : { event: 'text', msg: line };
      this.lines.push({ ...fields, received: machineClock() });
    }
  }
}
