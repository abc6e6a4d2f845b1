import { PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { formatDuration } from './durations.js';

/** The reason with which a signal of `runWithDeadline` is aborted when its time is over. */
export class DeadlinePassed extends PgcmError {
  constructor(what: string, ms: Milliseconds) {
    super('timed-out', `${what}: no answer within ${formatDuration(ms)}`);
    this.name = 'DeadlinePassed';
  }
}

/** The error for a signal that was aborted: the reason if it is ours, else a plain `aborted`. */
export function abortError(signal: AbortSignal, what: string): PgcmError {
  if (signal.reason instanceof PgcmError) return signal.reason;
  return new PgcmError('aborted', `${what}: interrupted`, { cause: signal.reason });
}

/**
 * Runs `work` with a signal that is aborted with `signal`, or after `ms`. Also ends when `work` itself
 * ignores its signal: a call to a frozen peer must not hold its caller. Timers are monotonic.
 *
 * @throws PgcmError `timed-out` naming `what`, `aborted`, or whatever `work` throws.
 */
export async function runWithDeadline<T>(
  what: string,
  ms: Milliseconds,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal.aborted) throw abortError(signal, what);
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const end = (error: PgcmError): void => {
      controller.abort(error);
      reject(error);
    };
    const timer = setTimeout(() => end(new DeadlinePassed(what, ms)), ms);
    const onAbort = (): void => end(abortError(signal, what));
    signal.addEventListener('abort', onAbort, { once: true });
    work(controller.signal)
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      });
  });
}

/** Waits `ms`, or until the signal is aborted; says which. Never throws. */
export function sleep(ms: Milliseconds, signal: AbortSignal): Promise<'elapsed' | 'aborted'> {
  if (signal.aborted) return Promise.resolve('aborted');
  return new Promise((resolve) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      resolve('aborted');
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve('elapsed');
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
