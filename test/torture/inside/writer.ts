import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { machineClock } from '../../../bench/clock.js';
import type { WriterRecord, WritersConfig, WriterTarget } from '../records.js';

/** Ids of a client start here, so that they are unique over all clients. */
const idsPerClient = 10_000_000;
const connectTimeoutMs = 1_000;
const pauseMs = 100;

interface Row {
  readonly server: string;
  readonly timeline: string;
}

/**
 * One client: an autocommit insert at a time, each of an id that is used once. After anything but a clean answer it
 * connects anew. Of several hosts it takes the one that takes writes, as libpq does with target_session_attrs=read-write.
 */
export class Writer {
  #connection: Client | undefined;
  #first = 0;
  #sequence = 0;
  #warning: string | undefined;

  constructor(
    private readonly number: number,
    private readonly target: WriterTarget,
    private readonly config: WritersConfig,
    private readonly emit: (record: WriterRecord) => void,
  ) {}

  async run(stop: AbortSignal): Promise<void> {
    const interval = 1_000 / this.config.rate;
    let next = machineClock() + interval * Math.random();
    while (await pause(next - machineClock(), stop)) {
      const done = await this.#insert();
      next = Math.max(next + interval, machineClock() + (done ? 0 : pauseMs));
    }
    this.#giveUp();
  }

  async #insert(): Promise<boolean> {
    const id = this.number * idsPerClient + ++this.#sequence;
    const { number: client } = this;
    this.#warning = undefined;
    try {
      const connection = (this.#connection ??= await this.#connect());
      const sent = machineClock();
      const { rows } = await connection.query<Row>(...statement(this.config.table, id, client));
      const done = machineClock();
      const [row] = rows;
      const warning = this.#warning as string | undefined;
      if (warning !== undefined || row === undefined) {
        this.emit({ kind: 'warned', client, id, done, message: warning ?? 'no row was returned' });
        return false;
      }
      const { server } = row;
      const timeline = Number.parseInt(row.timeline, 16);
      this.emit({ kind: 'acknowledged', client, id, sent, done, server, timeline });
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.emit({ kind: 'refused', client, done: machineClock(), message });
      this.#giveUp();
      return false;
    }
  }

  async #connect(): Promise<Client> {
    const { hosts } = this.target;
    let last: unknown = new Error('none of the hosts takes writes');
    for (let tried = 0; tried < hosts.length; tried++) {
      const host = hosts[(this.#first + tried) % hosts.length];
      if (host === undefined) continue;
      const connection = this.#client(host);
      try {
        await connection.connect();
        if (hosts.length === 1 || (await takesWrites(connection))) {
          this.#first = (this.#first + tried) % hosts.length;
          return connection;
        }
        farewell(connection);
      } catch (error) {
        last = error;
        farewell(connection);
      }
    }
    throw last;
  }

  #client(place: { readonly host: string; readonly port: number }): Client {
    const connection = new Client({
      ...place,
      user: 'app',
      database: 'app',
      // A bouncer that holds its clients lets new ones wait, too.
      connectionTimeoutMillis: this.target.hosts.length > 1 ? connectTimeoutMs : this.target.timeoutMs,
      query_timeout: this.target.timeoutMs,
    });
    connection.on('error', () => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    connection.on('notice', ({ message }) => (this.#warning = message ?? 'a warning'));
    return connection;
  }

  #giveUp(): void {
    if (this.#connection !== undefined) farewell(this.#connection);
    this.#connection = undefined;
  }
}

/** Its answer may never come. */
function farewell(connection: Client): void {
  void connection.end().catch(() => undefined);
}

async function takesWrites(connection: Client): Promise<boolean> {
  const { rows } = await connection.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
  return rows[0]?.standby === false;
}

/** Half of them in the simple protocol, half in the extended one. The row says by itself who wrote it. */
function statement(table: string, id: number, client: number): [string, unknown[]?] {
  const insert = `insert into ${table} (id, client) values`;
  const told = 'returning server, timeline';
  return id % 2 === 0
    ? [`${insert} (${id}, ${client}) ${told}`]
    : [`${insert} ($1, $2) ${told}`, [id, client]];
}

/** @returns false once it was told to stop */
async function pause(ms: number, stop: AbortSignal): Promise<boolean> {
  if (ms > 0) await delay(ms, undefined, { signal: stop }).catch(() => undefined);
  return !stop.aborted;
}
