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

/**
 * What the server says of writes.
 *
 *     writes      it gives out a transaction id
 *     read-only   it does not, as a standby or by its configuration
 *     not-asked   this login may not write, by a setting of its own (`source`, as pg_settings has it): others may
 */
export type ProbeAnswer =
  { readonly kind: 'writes' | 'read-only' } | { readonly kind: 'not-asked'; readonly source: string };

/** A transaction id is given out only where writes are; a standby would refuse to, so it is not asked for one. */
const QUESTION = `BEGIN;
SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN NULL
            ELSE pg_current_xact_id()::text END AS xid,
       CASE WHEN NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'on' THEN
            (SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only') END AS source;
ROLLBACK`;

/** Sources in pg_settings that are of one login, not of the server: ALTER ROLE, ALTER DATABASE, PGOPTIONS. */
const OF_THE_LOGIN = new Set(['user', 'database user', 'database', 'client']);

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
  async ask(): Promise<ProbeAnswer> {
    const results = (await this.#client.query(QUESTION)) as unknown as readonly {
      rows: readonly { xid?: unknown; source?: unknown }[];
    }[];
    const row = results.flatMap(({ rows }) => rows)[0];
    if (typeof row?.xid === 'string') return { kind: 'writes' };
    const source = row?.source;
    const isOwn = typeof source === 'string' && OF_THE_LOGIN.has(source);
    return isOwn ? { kind: 'not-asked', source } : { kind: 'read-only' };
  }

  /** Without a farewell: a frozen server would never answer it. */
  destroy(): void {
    this.#isOpen = false;
    this.#socket.destroy();
  }
}
