import { DatabaseError } from 'pg';
import { describeError, hasCode } from '../domain/errors.js';
import type { ProbeFinding } from '../domain/route-probe.js';

/**
 * SQLSTATEs of class 57P (errcodes.txt in PostgreSQL's source) with which a server says that it serves nobody now:
 * admin_shutdown, crash_shutdown, cannot_connect_now.
 */
const SERVES_NOBODY = new Set(['57P01', '57P02', '57P03']);

/** read_only_sql_transaction: a standby, or default_transaction_read_only. */
const READ_ONLY = '25006';

/** What a server's own error says of it. Any other one, as of a wrong password, is the word of a server that is well. */
export function findingOfError(sqlState: string, message: string): ProbeFinding {
  if (SERVES_NOBODY.has(sqlState)) return { kind: 'rejects', why: message };
  if (sqlState === READ_ONLY) return { kind: 'read-only', why: message };
  return { kind: 'accepts', trouble: message };
}

/** @throws what was thrown, when it was the caller who gave up */
export function findingOf(error: unknown): ProbeFinding {
  if (hasCode(error, 'aborted')) throw error;
  if (error instanceof DatabaseError) return findingOfError(error.code ?? '', error.message);
  const why = describeError(error);
  return { kind: hasCode(error, 'timed-out') || isSilence(error) ? 'silent' : 'gone', why };
}

/** The kernel's own time-out, and what a router says of a host that is not there. */
function isSilence(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'EHOSTDOWN' || code === 'ENETUNREACH';
}
