import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { sleep } from '../runtime/deadline.js';

const INTERVAL: Milliseconds = 100;

/**
 * Asks again while nobody answers: a supervise that was ended starts again within a second. Only for
 * what may be asked twice.
 * @param signal ends it, with the last answer
 */
export async function insist<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || !hasCode(error, 'unavailable')) throw error;
      if ((await sleep(INTERVAL, signal)) === 'aborted') throw error;
    }
  }
}

/** Waits for all of them. @throws PgcmError with every failure, of the first one's code */
export async function all(works: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(works);
  const errors = results.flatMap((r) => (r.status === 'rejected' ? [r.reason as unknown] : []));
  if (errors.length === 0) return;
  const [first] = errors;
  const code = first instanceof PgcmError ? first.code : 'internal';
  throw new PgcmError(code, [...new Set(errors.map(describeError))].join('; '), { cause: first });
}
