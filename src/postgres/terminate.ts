import { describeError, PgcmError } from '../domain/errors.js';
import type { Terminated } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { sleep } from '../runtime/deadline.js';
import { INSUFFICIENT_PRIVILEGE, missingRight, sqlState, type Connection, type Row } from './connection.js';
import { AGE_MS, OPEN_TRANSACTIONS } from './inspect.js';

const LOOK_AGAIN: Milliseconds = 50;

const BLOCKERS = `
  SELECT pid, usename::text, ${AGE_MS} AS age_ms, xact_start::text AS started
  ${OPEN_TRANSACTIONS} AND ${AGE_MS} >= $1
  ORDER BY xact_start, pid`;

/** Only while that very transaction is open: process numbers and connections are used again. */
const END_ONE = `SELECT pg_terminate_backend(pid) AS ended ${OPEN_TRANSACTIONS} AND pid = $1 AND xact_start = $2::timestamptz`;

const STILL_THERE = `SELECT pid ${OPEN_TRANSACTIONS} AND pid = ANY($1) AND xact_start = ANY($2::timestamptz[])`;

/**
 * Ends the backends of clients whose transaction is open for so long, and waits until they are gone.
 * @throws PgcmError `refused` naming those that this role may not end; the others are ended then, too
 */
export async function terminateBlockers(
  connection: Connection,
  olderThan: Milliseconds,
  what: string,
  signal: AbortSignal,
): Promise<readonly Terminated[]> {
  const ended: Row[] = [];
  const kept: { readonly row: Row; readonly error: unknown }[] = [];
  for (const row of await connection.query(BLOCKERS, [olderThan])) {
    try {
      const [answer] = await connection.query(END_ONE, [row['pid'], row['started']]);
      if (answer?.['ended'] === true) ended.push(row);
    } catch (error) {
      if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
      kept.push({ row, error });
    }
  }
  await untilGone(connection, ended, signal);
  if (kept.length > 0) {
    const names = kept.map(({ row }) => `pid ${Number(row['pid'])} of ${String(row['usename'])}`).join(', ');
    const cause = kept[0]?.error;
    throw missingRight(
      what,
      `${names} may not be ended by this role (${describeError(cause)})`,
      'GRANT pg_signal_backend TO postgres-user; the backends of superusers are for a superuser to end',
      cause,
    );
  }
  return ended.map((row) => ({
    pid: Number(row['pid']),
    user: String(row['usename']),
    age: Math.max(0, Number(row['age_ms'])),
  }));
}

/** A backend notices the signal when it next looks for interrupts; the caller's signal bounds the wait. */
async function untilGone(connection: Connection, ended: readonly Row[], signal: AbortSignal): Promise<void> {
  const pids = ended.map((row) => row['pid']);
  const started = ended.map((row) => row['started']);
  while (pids.length > 0) {
    if ((await connection.query(STILL_THERE, [pids, started])).length === 0) return;
    if ((await sleep(LOOK_AGAIN, signal)) === 'aborted') {
      throw new PgcmError('aborted', `interrupted while ${pids.length} backends were being ended`);
    }
  }
}
