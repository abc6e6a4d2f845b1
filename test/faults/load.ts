import { machineClock } from '../../bench/clock.js';
import { InsideProgram, type Place } from '../../bench/inside-program.js';
import type { Ack, Failure, LoadConfig, LoadRecord, Target } from '../../bench/records.js';
import { asPostgres } from '../../playground/cluster.js';
import type { Cluster } from '../acceptance/cluster.js';
import { eventually } from '../support/eventually.js';

/** So little that it leaves the machine's processors to the cluster. */
const rate = 8;
/** Longer than any pause: a client that waits has not failed. */
const statementTimeoutMs = 90_000;
const longestSeconds = 900;

/**
 * Clients that write through every bouncer: each inserts one id at a time, connects again after an
 * error, and never repeats a statement. What was acknowledged has to be there for ever.
 */
export class Load {
  readonly startedAt = machineClock();

  private constructor(
    private readonly cluster: Cluster,
    readonly table: string,
    readonly targets: readonly Target[],
    private readonly program: InsideProgram<LoadRecord>,
  ) {}

  /** @param from other bouncers than all of them, and where the clients are */
  static async start(
    cluster: Cluster,
    table: string,
    from: { readonly targets?: readonly Target[]; readonly place?: Place } = {},
  ): Promise<Load> {
    const statements = `create table ${table} (id bigint primary key, client int not null); alter table ${table} owner to app`;
    await cluster.output(
      await cluster.primary(),
      ...asPostgres('psql', '-X', '-q', '-d', 'app', '-c', statements),
    );
    const targets = from.targets ?? (await everyBouncer(cluster));
    const config: LoadConfig = { targets, table, seconds: longestSeconds, rate, statementTimeoutMs };
    const program = await InsideProgram.start<LoadRecord>(
      cluster.playground,
      'load-main',
      config,
      from.place,
    );
    await program.reached('started', AbortSignal.timeout(20_000));
    return new Load(cluster, table, targets, program);
  }

  acks(target?: string): readonly Ack[] {
    return this.program.records.filter(
      (record): record is Ack => record.kind === 'ack' && this.#isOf(record.client, target),
    );
  }

  failures(target?: string): readonly Failure[] {
    return this.program.records.filter(
      (record): record is Failure => record.kind === 'failure' && this.#isOf(record.client, target),
    );
  }

  targetOf(client: number): string {
    return this.targets.find(({ name }) => this.#isOf(client, name))?.name ?? `client ${client}`;
  }

  /** Until every bouncer has answered something that was sent after now. */
  async untilAllRun(limit: number): Promise<void> {
    const since = machineClock();
    const waiting = (): readonly string[] =>
      this.targets.map(({ name }) => name).filter((name) => !this.acks(name).some((a) => a.sent > since));
    try {
      await eventually(() => waiting().length === 0, { limit, every: 100, what: 'clients run' });
    } catch {
      throw new Error(`clients of ${waiting().join(', ')} do not run after ${Math.round(limit / 1_000)} s`);
    }
  }

  /** The longest time since `from` in which no client of this bouncer was answered. */
  longestSilence(target: string, from: number): number {
    const times = this.acks(target).map(({ done }) => done);
    const marks = [from, ...times.filter((at) => at > from), machineClock()];
    return Math.max(...marks.slice(1).map((at, index) => at - (marks[index] ?? at)));
  }

  async stop(): Promise<void> {
    await this.program.stop(15_000);
  }

  kill(): void {
    this.program.kill();
  }

  /** @returns the acknowledged ids that the primary does not have */
  async lost(): Promise<readonly number[]> {
    const rows = await this.cluster.output(
      await this.cluster.primary(),
      ...asPostgres('psql', '-XAt', '-d', 'app', '-c', `select id from ${this.table}`),
    );
    const present = new Set(rows.split('\n').map(Number));
    return this.acks()
      .map(({ id }) => id)
      .filter((id) => !present.has(id));
  }

  #isOf(client: number, target: string | undefined): boolean {
    if (target === undefined) return true;
    let first = 0;
    for (const { name, clients } of this.targets) {
      if (name === target) return client >= first && client < first + clients;
      first += clients;
    }
    return false;
  }
}

async function everyBouncer({ playground }: Cluster): Promise<readonly Target[]> {
  const hosts = await playground.hosts();
  return hosts
    .filter(({ kind }) => kind !== 'client')
    .map(({ name, address, kind }) => ({ name, host: address, port: 6432, clients: kind === 'app' ? 2 : 1 }));
}
