/** PostgreSQL's own benchmark as a write load beside the clients: it makes buffers dirty. */
import type { ChildProcess } from 'node:child_process';
import type { Playground } from '../playground/client.js';
import { onLine } from '../playground/lines.js';
import type { HostStatus } from '../playground/protocol.js';
import { sql } from './cluster.js';

export interface PgbenchOptions {
  /** Its tables have 100,000 rows for each of these. */
  readonly scale: number;
  /** Transactions a second: as many as it can would leave nothing of a small machine for the cluster. */
  readonly rate: number;
}

/** Counted apart from the clients' figures. */
export interface PgbenchCounts {
  readonly transactions: number;
  readonly errors: number;
}

const host = 'client01';
const program = '/usr/lib/postgresql/15/bin/pgbench';
const clients = 4;
/** It ends by itself after this, whatever became of the driver. */
const longestSeconds = 300;
const initTimeoutMs = 300_000;
const endTimeoutMs = 5_000;

/** Make its tables, unless they are there in this size. Directly on the primary. */
export async function initialise(
  playground: Playground,
  primary: HostStatus,
  { scale }: PgbenchOptions,
): Promise<void> {
  if ((await scaleOf(playground, primary)) === scale) return;
  const argv = [program, '-i', '-q', '-s', String(scale), '-h', primary.address, '-U', 'app', 'app'];
  const { status, stderr } = await playground.exec(host, argv, { timeoutMs: initTimeoutMs });
  if (status !== 0) throw new Error(`pgbench -i: status ${status}: ${stderr.trim()}`);
}

/** 0 without its tables. */
async function scaleOf(playground: Playground, { name }: HostStatus): Promise<number> {
  const exists = await sql(playground, name, "select to_regclass('pgbench_branches') is not null", 'app');
  if (exists.trim() !== 't') return 0;
  return Number(await sql(playground, name, 'select count(*) from pgbench_branches', 'app'));
}

/** pgbench through a bouncer, until it is stopped. */
export class Pgbench {
  #transactions = 0;
  readonly #errors: string[] = [];
  #isStopped = false;
  readonly #ended: Promise<void>;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) onLine(stream, (line) => this.#read(line));
    }
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        if (!this.#isStopped) this.#errors.push(`pgbench ended by itself with status ${code}`);
        resolve();
      });
    });
    this.#ended.catch(() => undefined);
  }

  static async start(
    playground: Playground,
    bouncer: HostStatus,
    { rate }: PgbenchOptions,
  ): Promise<Pgbench> {
    const load = ['-n', '-c', String(clients), '-j', '1', '-R', String(rate), '-T', String(longestSeconds)];
    const where = ['-h', bouncer.address, '-p', '6432', '-U', 'app', 'app'];
    const child = await playground.spawn(host, [program, ...load, '-P', '1', ...where], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Pgbench(child);
  }

  /** What it did, second by second; the second in which it was stopped is left out. */
  get counts(): PgbenchCounts {
    return { transactions: Math.round(this.#transactions), errors: this.#errors.length };
  }

  get errors(): readonly string[] {
    return this.#errors;
  }

  /** Done also when it has ended before. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), endTimeoutMs);
    await this.#ended.finally(() => clearTimeout(timer));
  }

  #read(line: string): void {
    const transactions = readProgress(line);
    if (transactions !== undefined) this.#transactions += transactions;
    else if (/\b(error|aborted|fatal|failed):?\b/i.test(line)) this.#errors.push(line);
  }
}

/** The transactions of one of its lines of progress, which it writes each second. */
export function readProgress(line: string): number | undefined {
  const match = /^progress: [\d.]+ s, ([\d.]+) tps, /.exec(line);
  return match === null ? undefined : Number(match[1]);
}

export function addCounts(all: readonly PgbenchCounts[]): PgbenchCounts {
  return {
    transactions: all.reduce((sum, { transactions }) => sum + transactions, 0),
    errors: all.reduce((sum, { errors }) => sum + errors, 0),
  };
}
