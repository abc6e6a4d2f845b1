import { machineClock } from '../../bench/clock.js';
import { InsideProgram } from '../../bench/inside-program.js';
import { asPostgres } from '../../playground/cluster.js';
import type { Cluster } from '../acceptance/cluster.js';
import type { Acknowledged, WriterRecord, WritersConfig, WriterTarget } from './records.js';

const table = 'torture';
const rate = 6;
const startMs = 20_000;
const stopMs = 15_000;
/** Sooner than a bouncer's own hold ends: a client that is held must be seen to write again afterwards. */
const throughBouncersMs = 12_000;
const directlyMs = 5_000;

/** Who wrote it stands in each row, so that not only its client knows. */
const create = `create table ${table} (
  id bigint primary key, client int not null,
  server text not null default host(inet_server_addr()),
  timeline text not null default substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8));
alter table ${table} owner to app`;

/** Clients in a host that is never struck: half of them through PgBouncers, half of them directly. */
export class Writers {
  private constructor(
    private readonly cluster: Cluster,
    private readonly targets: readonly WriterTarget[],
    private readonly program: InsideProgram<WriterRecord>,
  ) {}

  static async start(cluster: Cluster, seconds: number): Promise<Writers> {
    const primary = await cluster.primary();
    await cluster.output(primary, ...asPostgres('psql', '-X', '-q', '-d', 'app', '-c', create));
    const hosts = await cluster.playground.hosts();
    const direct = hosts.filter(({ kind }) => kind === 'postgres');
    const targets: readonly WriterTarget[] = [
      ...hosts
        .filter(({ kind }) => kind !== 'client')
        .map(({ name, address }) => ({
          name: `bouncer of ${name}`,
          hosts: [{ host: address, port: 6432 }],
          clients: 1,
          timeoutMs: throughBouncersMs,
        })),
      {
        name: 'PostgreSQL',
        hosts: direct.map(({ address }) => ({ host: address, port: 5432 })),
        clients: 4,
        timeoutMs: directlyMs,
      },
    ];
    const config: WritersConfig = { targets, table, seconds, rate };
    const program = await InsideProgram.start<WriterRecord>(
      cluster.playground,
      'test/torture/inside/writers-main',
      config,
    );
    await program.reached('started', AbortSignal.timeout(startMs));
    return new Writers(cluster, targets, program);
  }

  get records(): readonly WriterRecord[] {
    return this.program.records;
  }

  acknowledged(): readonly Acknowledged[] {
    return this.program.records.filter((record) => record.kind === 'acknowledged');
  }

  /** The address of the server that acknowledged last. */
  lastServer(): string | undefined {
    return this.program.records.findLast((record) => record.kind === 'acknowledged')?.server;
  }

  /** The clients, by their kind, that got no acknowledgement of late. */
  silent(withinMs: number): readonly string[] {
    return this.#without((record) => record.done, machineClock() - withinMs);
  }

  /** The clients, by their kind, that have no acknowledgement of what they sent after this moment. */
  notAnsweredSince(moment: number): readonly string[] {
    return this.#without((record) => record.sent, moment);
  }

  #without(timeOf: (record: Acknowledged) => number, since: number): readonly string[] {
    const heard = new Set<number>();
    for (let index = this.program.records.length - 1; index >= 0; index--) {
      const record = this.program.records[index];
      if (record?.kind !== 'acknowledged') continue;
      if (record.done < since) break;
      if (timeOf(record) >= since) heard.add(record.client);
    }
    const names = this.targets.flatMap(({ name, clients }) => Array.from({ length: clients }, () => name));
    return names.filter((_, client) => !heard.has(client));
  }

  /** The ids that this node's PostgreSQL has. */
  async rowsOn(node: string): Promise<ReadonlySet<number>> {
    const query = `select id from ${table}`;
    const text = await this.cluster.output(node, ...asPostgres('psql', '-XAt', '-d', 'app', '-c', query));
    return new Set(text.split('\n').map(Number));
  }

  async stop(): Promise<void> {
    await this.program.stop(stopMs);
  }

  kill(): void {
    this.program.kill();
  }
}
