import type { ChildProcess } from 'node:child_process';
import type { Playground } from '../../playground/client.js';
import { eventually } from '../support/eventually.js';

/**
 * One client connection that stays: a psql in client01 that is fed line by line. It never reconnects
 * unseen, since psql says on stderr when it had to.
 */
export class Session {
  #output = '';
  #errors = '';
  #count = 0;

  private constructor(private readonly psql: ChildProcess) {
    psql.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.#output += chunk));
    psql.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.#errors += chunk));
  }

  /** @param bouncer the host whose PgBouncer the client uses */
  static async open(playground: Playground, bouncer: string, database = 'app'): Promise<Session> {
    const url = `host=${bouncer} port=6432 dbname=${database} user=app connect_timeout=10`;
    return new Session(await playground.spawn('client01', ['psql', '-XAtq', url]));
  }

  /** Everything that psql complained about so far; empty for a client that saw no error. */
  get errors(): string {
    return this.#errors;
  }

  /** Sends statements; resolves with what they printed. */
  async query(sql: string): Promise<string> {
    await this.send(sql);
    const mark = `--done-${this.#count}--`;
    await eventually(() => this.#output.includes(mark), { limit: 60_000, what: `an answer to: ${sql}` });
    const [answer = '', rest = ''] = this.#output.split(`${mark}\n`);
    this.#output = rest;
    return answer.trim();
  }

  /** Sends statements without waiting for their answer. */
  send(sql: string): Promise<void> {
    this.#count += 1;
    return new Promise((resolve, reject) => {
      this.psql.stdin?.write(`${sql};\n\\echo --done-${this.#count}--\n`, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  close(): void {
    this.psql.stdin?.end();
  }
}
