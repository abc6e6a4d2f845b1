import { describeError, PgcmError, type ErrorCode } from '../domain/errors.js';
import { abortError } from '../runtime/deadline.js';
import type { ConsoleOptions } from './console-connection.js';

/** PAUSE when a PAUSE (or SUSPEND) is on, or is still waiting for transactions. */
export const ALREADY_PAUSED = 'already suspended/paused';
/** RESUME when nothing is paused. */
export const NOT_PAUSED = 'pooler is not paused/suspended';
/** RESUME of a database that is not paused: `database app is not paused`. */
export const DATABASE_NOT_PAUSED = 'is not paused';
/** PAUSE or RESUME of a database that it does not have. */
export const NO_DATABASE = 'no such database';

/** Whether PgBouncer answered with this text. All of its errors share the SQLSTATE 08P01. */
export function said(error: unknown, text: string): boolean {
  return describeError(error).includes(text);
}

/** What went wrong on the console as the one error type, with what an operator can do about it. */
export function consoleError(
  error: unknown,
  where: string,
  options: ConsoleOptions,
  signal: AbortSignal,
): PgcmError {
  if (error instanceof PgcmError) return error;
  // The caller's signal destroyed the connection: what pg says about it is only a consequence.
  if (signal.aborted) return abortError(signal, where);
  const { code, hint } = diagnose(error, options);
  return new PgcmError(code, `${where}: ${describeError(error)}${hint}`, { cause: error });
}

function diagnose(error: unknown, options: ConsoleOptions): { code: ErrorCode; hint: string } {
  const systemCode = error instanceof Error && 'code' in error ? error.code : undefined;
  if (systemCode === 'ENOENT' || systemCode === 'ECONNREFUSED') {
    return {
      code: 'unavailable',
      hint: `; is it running, with unix_socket_dir = ${options.socketDir} and listen_port = ${options.port}?`,
    };
  }
  if (systemCode === 'EACCES' || systemCode === 'EPERM') {
    return { code: 'unavailable', hint: '; this user may not use the socket: see unix_socket_mode' };
  }
  if (said(error, 'admin access needed')) {
    return { code: 'refused', hint: `; put ${options.user} into admin_users in the ini` };
  }
  if (/not allowed|no such user|auth|password|SASL/i.test(describeError(error))) {
    return {
      code: 'refused',
      hint: `; check pgbouncer-user (${options.user}), pgbouncer-password, and admin_users in the ini`,
    };
  }
  if (systemCode === '08P01') return { code: 'refused', hint: '' };
  return { code: 'unavailable', hint: '; it may be stopping or restarting' };
}
