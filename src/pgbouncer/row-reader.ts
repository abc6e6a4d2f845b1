import type { PoolMode } from '../domain/bouncer.js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { Row } from './console-connection.js';

/** Takes the columns that are asked for out of the rows of SHOW. @throws PgcmError `invalid-answer` */
export class RowReader {
  readonly #where: string;

  /** @param where whose rows, for messages */
  constructor(where: string) {
    this.#where = where;
  }

  text(row: Row, column: string): string | undefined {
    const value = row[column];
    if (value === null) return undefined;
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return String(value);
    throw new PgcmError(
      'invalid-answer',
      `${this.#where}: the answer has no usable column ${column}: ${describeError(value)}; is this PgBouncer's console?`,
    );
  }

  number(row: Row, column: string): number {
    const text = this.text(row, column) ?? '';
    if (/^\d+$/.test(text)) return Number(text);
    throw new PgcmError('invalid-answer', `${this.#where}: ${column} is no number: ${text}`);
  }

  /** Undefined where it is left to the setting. */
  poolMode(row: Row): PoolMode | undefined {
    const text = this.text(row, 'pool_mode');
    return text === 'session' || text === 'transaction' || text === 'statement' ? text : undefined;
  }
}
