import type { TestRow } from '../domain/replication.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { Connection, placeOf, postgresError, type PostgresOptions } from './connection.js';

/** A record that every standby gets and nobody reads. It takes a transaction id, so that its commit waits. */
const WRITE = `BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(true, 'pgcm', 'test row')`;

/** See TestRow. */
export class CommittedRow implements TestRow {
  readonly #options: PostgresOptions;
  readonly #connection: Connection;
  #pid = 0;
  #acknowledged = true;

  private constructor(options: PostgresOptions) {
    this.#options = options;
    this.#connection = Connection.start(options, () => (this.#acknowledged = true));
  }

  static async connect(options: PostgresOptions, signal: AbortSignal): Promise<CommittedRow> {
    const row = new CommittedRow(options);
    await row.#ask(signal, async () => {
      await row.#connection.ready();
      const [answer] = await row.#connection.query('SELECT pg_backend_pid() AS pid');
      row.#pid = Number(answer?.['pid']);
    });
    return row;
  }

  get pid(): number {
    return this.#pid;
  }

  get acknowledged(): boolean {
    return this.#acknowledged;
  }

  async commit(signal: AbortSignal): Promise<void> {
    await this.#ask(signal, () => this.#connection.query(WRITE));
    this.#acknowledged = false;
    // Its end, also by an error, is an answer; a wait that never ends is closed by whoever gives up on it.
    const over = (): void => {
      this.#acknowledged = true;
    };
    this.#connection.query('COMMIT').then(over, over);
  }

  close(): void {
    this.#connection.destroy();
  }

  async #ask(signal: AbortSignal, work: () => Promise<unknown>): Promise<void> {
    const what = placeOf(this.#options);
    try {
      await runWithDeadline(what, this.#options.timeout, signal, work);
    } catch (error) {
      this.close();
      throw postgresError(what, error);
    }
  }
}
