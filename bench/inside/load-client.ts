import { setTimeout as delay } from 'node:timers/promises';
import { Client, type ClientConfig } from 'pg';
import { machineClock } from '../clock.js';
import type { Failure, LoadConfig, LoadRecord, Target } from '../records.js';
import { firstWritable } from './multi-host.js';

/** Ids of a client start here, so that they are unique over all clients. */
const idsPerClient = 10_000_000;
/** A refused connection comes back at once: not to spin. */
const reconnectPauseMs = 50;
/** A client that goes past hosts that are gone has connect_timeout=2 and keepalives in its connection string. */
const choosing: ClientConfig = {
  connectionTimeoutMillis: 2_000,
  keepAlive: true,
  keepAliveInitialDelayMillis: 1_000,
};

/**
 * One client: an autocommit insert at a time, at a fixed pace, over one connection. It never retries.
 * A failed statement, a lost connection and a failed attempt to connect are failures each; it then
 * connects again only so that the load goes on.
 */
export class LoadClient {
  #connection: Client | undefined;
  #inFlight = false;
  /** The end of the connection, when it came while a statement was under way. */
  #lostMeanwhile: Error | undefined;
  /** A commit whose wait for its standby was cancelled is answered as if it were done, with a warning. */
  #warning: string | undefined;
  #sequence = 0;

  constructor(
    private readonly number: number,
    private readonly target: Target,
    private readonly config: LoadConfig,
    private readonly emit: (record: LoadRecord) => void,
  ) {}

  /** @throws when the first connection fails: then there is nothing to measure */
  async connect(): Promise<void> {
    const { host, others } = this.target;
    this.#connection =
      others === undefined
        ? await this.#open(host)
        : await firstWritable([host, ...others], (one) => this.#open(one, choosing));
  }

  async #open(host: string, more: ClientConfig = {}): Promise<Client> {
    const { port } = this.target;
    const { statementTimeoutMs } = this.config;
    const connection = new Client({
      host,
      port,
      user: 'app',
      database: 'app',
      connectionTimeoutMillis: statementTimeoutMs,
      query_timeout: statementTimeoutMs,
      ...more,
    });
    connection.on('error', (error) => this.#lost(connection, error));
    connection.on('notice', ({ severity, message }) => {
      if (severity === 'WARNING') this.#warning = message ?? 'a warning';
    });
    connection.on('end', () => this.#lost(connection, new Error('the server closed the connection')));
    await connection.connect();
    return connection;
  }

  async run(stop: AbortSignal): Promise<void> {
    const interval = 1_000 / this.config.rate;
    // Spread over one interval, so that they do not all write at the same instant.
    const clients = this.config.targets.reduce((sum, { clients }) => sum + clients, 0);
    let next = machineClock() + (interval * this.number) / clients;
    while (await pause(next - machineClock(), stop)) {
      await this.#insert(stop);
      // A late statement is not made up for by a burst.
      next = Math.max(next + interval, machineClock());
    }
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.end();
  }

  async #insert(stop: AbortSignal): Promise<void> {
    const connection = this.#connection ?? (await this.#reconnect(stop));
    if (connection === undefined) return;
    const id = this.number * idsPerClient + ++this.#sequence;
    const sent = machineClock();
    this.#inFlight = true;
    this.#warning = undefined;
    try {
      await connection.query(...statement(this.config.table, id, this.number));
      const warning = this.#warning as string | undefined;
      if (warning !== undefined) this.#failed('statement', sent, new Error(warning), id);
      else this.emit({ kind: 'ack', client: this.number, id, sent, done: machineClock() });
      // The answer and the connection's end can come together; then the statement did not fail with it.
      this.#tellOfLoss();
    } catch (error) {
      this.#failed('statement', sent, error, id);
      if (!survives(error)) this.#discard(connection);
    } finally {
      this.#inFlight = false;
      this.#lostMeanwhile = undefined;
    }
  }

  #tellOfLoss(): void {
    if (this.#lostMeanwhile !== undefined) this.#failed('idle', machineClock(), this.#lostMeanwhile);
  }

  async #reconnect(stop: AbortSignal): Promise<Client | undefined> {
    const sent = machineClock();
    try {
      await this.connect();
      return this.#connection;
    } catch (error) {
      this.#failed('connect', sent, error);
      await pause(reconnectPauseMs, stop);
      return undefined;
    }
  }

  #lost(connection: Client, error: Error): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    // The statement under way fails with it, as a rule, and says so itself.
    if (this.#inFlight) this.#lostMeanwhile = error;
    else this.#failed('idle', machineClock(), error);
  }

  #discard(connection: Client): void {
    if (this.#connection === connection) this.#connection = undefined;
    // Its end may never come: a server that hangs does not answer the farewell either.
    void connection.end().catch(() => undefined);
  }

  #failed(during: Failure['during'], sent: number, error: unknown, id?: number): void {
    const message = error instanceof Error ? error.message : String(error);
    const done = machineClock();
    const which = id === undefined ? {} : { id };
    this.emit({ kind: 'failure', client: this.number, during, ...which, sent, done, message });
  }
}

/**
 * Half of the statements in the simple protocol, half prepared: parsed, bound and executed in the
 * extended protocol. Without a name, as PgBouncer 1.18 in transaction pooling does not know names.
 */
function statement(table: string, id: number, client: number): [string, unknown[]?] {
  const insert = `insert into ${table} (id, client) values`;
  return id % 2 === 0 ? [`${insert} (${id}, ${client})`] : [`${insert} ($1, $2)`, [id, client]];
}

/** After an ERROR from the server the connection goes on; anything else (FATAL, time-out, socket) ends it. */
function survives(error: unknown): boolean {
  return (error as { severity?: string }).severity === 'ERROR';
}

/** @returns false once it was told to stop */
async function pause(ms: number, stop: AbortSignal): Promise<boolean> {
  if (ms > 0) await delay(ms, undefined, { signal: stop }).catch(() => undefined);
  return !stop.aborted;
}
