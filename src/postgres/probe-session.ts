import { Socket } from 'node:net';
import { Client } from 'pg';
import type { Address } from '../domain/address.js';

export interface ProbeLogin {
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Empty when PostgreSQL asks for none. */
  readonly password: string;
}

/** A transaction id is given out only where writes are; a standby would refuse to, so it is not asked for one. */
const QUESTION = `BEGIN;
SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN NULL
            ELSE pg_current_xact_id()::text END AS xid;
ROLLBACK`;

/** A connection to the PostgreSQL at an address, on which it is asked whether it takes writes. */
export class ProbeSession {
  readonly address: Address;
  readonly #socket = new Socket();
  readonly #client: Client;
  #isOpen = true;

  /** @param onEnd called when the connection has ended by itself; not after `destroy` */
  constructor(login: ProbeLogin, address: Address, onEnd: () => void = () => undefined) {
    const { port, user, database, password } = login;
    this.address = address;
    this.#client = new Client({
      host: address,
      port,
      user,
      database,
      // A function, as pg takes an empty text for "look into PGPASSWORD and ~/.pgpass".
      password: () => password,
      application_name: 'pgcm',
      stream: () => this.#socket,
    });
    // Every failure also rejects the promise in hand; without a listener it would end the process.
    this.#client.on('error', () => undefined);
    this.#socket.once('close', () => {
      if (!this.#isOpen) return;
      this.#isOpen = false;
      onEnd();
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** @throws what pg throws */
  async connect(): Promise<void> {
    await this.#client.connect();
  }

  /** @throws what pg throws */
  async takesWrites(): Promise<boolean> {
    const results = (await this.#client.query(QUESTION)) as unknown as readonly {
      rows: readonly { xid?: unknown }[];
    }[];
    return results.some(({ rows }) => typeof rows[0]?.xid === 'string');
  }

  /** Without a farewell: a frozen server would never answer it. */
  destroy(): void {
    this.#isOpen = false;
    this.#socket.destroy();
  }
}
