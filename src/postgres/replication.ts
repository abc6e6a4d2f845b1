import type {
  ReplicationControl,
  ReplicationLook,
  ReplicationSession,
  TestRow,
} from '../domain/replication.js';
import { placeOf, withConnection, type PostgresOptions } from './connection.js';
import { LockedSession } from './locked-session.js';
import { lookOver } from './replication-look.js';
import { CommittedRow } from './test-row.js';

/** The walsenders of this node's PostgreSQL, and who commits wait for. */
export class PostgresReplication implements ReplicationControl {
  readonly #options: PostgresOptions;

  constructor(options: PostgresOptions) {
    this.#options = options;
  }

  connect(signal: AbortSignal): Promise<ReplicationSession> {
    return LockedSession.connect(this.#options, signal);
  }

  lookAnew(signal: AbortSignal): Promise<ReplicationLook> {
    const { timeout } = this.#options;
    return withConnection(this.#options, timeout, signal, (connection) =>
      lookOver(connection, placeOf(this.#options)),
    );
  }

  testRow(signal: AbortSignal): Promise<TestRow> {
    return CommittedRow.connect(this.#options, signal);
  }
}
