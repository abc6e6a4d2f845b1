import { setMaxListeners } from 'node:events';
import { PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { timerSpan } from './clock.js';
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
    const stop = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const end = (error: PgcmError): void => {
      stop();
      controller.abort(error);
      reject(error);
    };
    const timer = setTimeout(() => end(new DeadlinePassed(what, ms)), timerSpan(ms));
    const onAbort = (): void => end(abortError(signal, what));
    signal.addEventListener('abort', onAbort, { once: true });
    // In a function of its own, so that work which throws before its first promise rejects like the others.
    const start = async (): Promise<T> => await work(controller.signal);
    start().finally(stop).then(resolve, reject);
  });
}

/**
 * Runs `work` with a signal that is aborted with `signal`, or after `ms`, and leaves it to `work` to say what
 * it waited for in vain: `late` tells whether the time was over.
 */
export async function runUntil<T>(
  what: string,
  ms: Milliseconds,
  signal: AbortSignal,
  work: (signal: AbortSignal, late: () => boolean) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new DeadlinePassed(what, ms)), timerSpan(ms));
  try {
    return await work(AbortSignal.any([signal, limit.signal]), () => limit.signal.aborted);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs `work` with a signal that is aborted with either of these, for as long as `work` runs. For signals
 * that live as long as a daemon: Node 20 keeps a little of each signal that AbortSignal.any ever made of them.
 */
export async function withEither<T>(
  one: AbortSignal,
  other: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onOne = (): void => controller.abort(one.reason);
  const onOther = (): void => controller.abort(other.reason);
  one.addEventListener('abort', onOne, { once: true });
  other.addEventListener('abort', onOther, { once: true });
  if (other.aborted) onOther();
  if (one.aborted) onOne();
  try {
    return await work(controller.signal);
  } finally {
    one.removeEventListener('abort', onOne);
    other.removeEventListener('abort', onOther);
  }
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
    }, timerSpan(ms));
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** Resolves when the signal is aborted, at once if it is already. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** A signal that is aborted with this one, for more listeners than Node takes for usual. */
export function manyListeners(signal: AbortSignal): AbortSignal {
  const following = AbortSignal.any([signal]);
  setMaxListeners(0, following);
  return following;
}
