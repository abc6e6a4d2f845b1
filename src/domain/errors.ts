/**
 * The one error type. A code says what kind of thing happened, so that callers branch on it and the
 * gRPC adapter can map it; the message is for the operator: what was tried, on which host, what came
 * back, what to do next.
 */
export type ErrorCode =
  | 'usage' // the command line, the environment or the TOML file is wrong
  | 'refused' // a check says that going on would risk data, two primaries or a long wait
  | 'timed-out' // a deadline passed
  | 'aborted' // the caller's signal ended it
  | 'unavailable' // a dependency cannot be reached or does not answer
  | 'invalid-answer' // a dependency answered with something that is not understood
  | 'conflict' // somebody else holds or changed what this needed: a lock, a revision
  | 'in-doubt' // a write may or may not have happened
  | 'no-quorum'
  | 'no-primary'
  | 'two-primaries'
  | 'no-sync-standby'
  | 'lock-held'
  | 'lock-lost'
  | 'bad-address' // a value that is not a usable address
  | 'bad-template'
  | 'port-in-use'
  | 'unsupported' // the other side is an older program that cannot do this
  | 'internal';

export interface ErrorOptions {
  readonly cause?: unknown;
  /** True when trying the same thing again can succeed without anybody changing anything. */
  readonly retryable?: boolean;
}

export class PgcmError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PgcmError';
    this.code = code;
    this.retryable = options.retryable ?? (code === 'unavailable' || code === 'timed-out');
  }
}

/**
 * The text of anything that was thrown, with its causes: `a: b: c`. On one line and without control
 * characters: what other programs said is part of it, and it may end up on a terminal.
 */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  // A cause can (by mistake) point back at its error; five levels say all that a reader needs.
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth += 1) {
    const text = current instanceof Error ? errorText(current) : printable(current);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts
    .join(': ')
    .replace(/\s*[\p{Cc}\u2028\u2029]+\s*/gu, ' ')
    .trim();
}

function errorText(error: Error): string {
  if (error.message !== '') return error.message;
  // Connecting to a name with several addresses fails with all their errors, and no message of its own.
  const all: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  const texts = all.map((one) => (one instanceof Error ? one.message : printable(one)));
  return [...new Set(texts)].join(', ') || error.name;
}

function printable(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    // JSON.stringify gives undefined for a function or a symbol, whatever its declared type says.
    const json = JSON.stringify(value) as string | undefined;
    return json ?? typeof value;
  } catch {
    // A circle or a bigint. Describing an error must never be an error.
    return typeof value;
  }
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is PgcmError {
  return error instanceof PgcmError && codes.includes(error.code);
}
