import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '../domain/address.js';
import type { SeenRecord } from '../domain/entitlement.js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

/**
 * A reader of what the resource agent keeps of the record outside the data directory: SYSTEM TIMELINE COUNTER on one line.
 * It gives undefined when there is no such file, or it is empty.
 * @throws PgcmError `unavailable`, `invalid-answer`
 */
export function seenRecord(
  stateDirectory: string,
  within: Milliseconds,
): (signal: AbortSignal) => Promise<SeenRecord | undefined> {
  const file = join(stateDirectory, 'highest');
  return (signal) => read(file, within, signal);
}

async function read(
  file: string,
  within: Milliseconds,
  signal: AbortSignal,
): Promise<SeenRecord | undefined> {
  const text = await runWithDeadline(`reading ${file}`, within, signal, () => contentOf(file));
  if (text.trim() === '') return undefined;
  const match = /^(\d{1,20}) (\d{1,10}) (\d{1,15})$/.exec(text.trim());
  if (match === null) {
    throw new PgcmError(
      'invalid-answer',
      `${file} holds ${quote(text)} in place of a system, timeline and counter`,
    );
  }
  return { system: match[1] ?? '', timeline: Number(match[2]), counter: Number(match[3]) };
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new PgcmError('unavailable', `${file} cannot be read (${describeError(error)}): run this as root`, {
      cause: error,
      retryable: false,
    });
  }
}
