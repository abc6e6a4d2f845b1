import { Socket } from 'node:net';
import { Client } from 'pg';
import type { Address } from '../domain/address.js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { LifeProbe, ProbeFinding, RouteProbe } from '../domain/route-probe.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { findingOf } from './finding.js';

export interface PostgresRouteProbeOptions {
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Empty when PostgreSQL asks for none. */
  readonly password: string;
  /** For one question, the connection included; by default 1 s. */
  readonly timeout?: Milliseconds;
}

const TIMEOUT: Milliseconds = 1_000;

/** A transaction id is given out only where writes are; a standby would refuse to, so it is not asked for one. */
const QUESTION = `BEGIN;
SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN NULL
            ELSE pg_current_xact_id()::text END AS xid;
ROLLBACK`;

/** Each question on a connection of its own: an old one may lead to a host that is gone. */
export class PostgresRouteProbe implements RouteProbe, LifeProbe {
  readonly #options: PostgresRouteProbeOptions;

  constructor(options: PostgresRouteProbeOptions) {
    this.#options = options;
  }

  async takesWrites(address: Address, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#ask(address, signal);
    } catch (error) {
      if (error instanceof PgcmError) throw error;
      throw new PgcmError('unavailable', `${this.#what(address)}: ${describeError(error)}; see probe-user`, {
        cause: error,
      });
    }
  }

  async find(address: Address, signal: AbortSignal): Promise<ProbeFinding> {
    try {
      if (await this.#ask(address, signal)) return { kind: 'writes' };
      return { kind: 'read-only', why: `PostgreSQL at ${address} takes no writes` };
    } catch (error) {
      return findingOf(error);
    }
  }

  async #ask(address: Address, signal: AbortSignal): Promise<boolean> {
    const { port, user, database, password, timeout = TIMEOUT } = this.#options;
    const socket = new Socket();
    const client = new Client({
      host: address,
      port,
      user,
      database,
      // A function, as pg takes an empty text for "look into PGPASSWORD and ~/.pgpass".
      password: () => password,
      application_name: 'pgcm',
      stream: () => socket,
    });
    // Every failure also rejects the promise in hand; without a listener it would end the process.
    client.on('error', () => undefined);
    try {
      return await runWithDeadline(this.#what(address), timeout, signal, async () => {
        await client.connect();
        const results = (await client.query(QUESTION)) as unknown as readonly {
          rows: readonly { xid?: unknown }[];
        }[];
        return results.some(({ rows }) => typeof rows[0]?.xid === 'string');
      });
    } finally {
      // Without a farewell: a frozen server would never answer it.
      socket.destroy();
    }
  }

  #what(address: Address): string {
    const { port, user } = this.#options;
    return `asking PostgreSQL at ${address}, port ${port}, as ${user} whether it takes writes`;
  }
}
