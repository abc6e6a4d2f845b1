import type { Milliseconds } from '../domain/time.js';
import { sleep } from './deadline.js';

export interface Backoff {
  /** The delay before the first retry. */
  readonly min: Milliseconds;
  readonly max: Milliseconds;
}

/** The delay before retry number `attempt` (0 is the first): doubling from min to max. */
export function backoffDelay(attempt: number, { min, max }: Backoff): Milliseconds {
  return Math.min(max, min * 2 ** Math.min(attempt, 30));
}

/**
 * Does `work` until it succeeds or the signal is aborted.
 * @param onError is told of each failure and of the delay until the next attempt
 * @returns the result, or undefined when aborted
 */
export async function retryForever<T>(
  work: (signal: AbortSignal) => Promise<T>,
  backoff: Backoff,
  signal: AbortSignal,
  onError: (error: unknown, retryIn: Milliseconds, attempt: number) => void,
): Promise<{ readonly value: T } | undefined> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      return { value: await work(signal) };
    } catch (error) {
      // The signal may have been aborted while work was awaited.
      if ((signal as { aborted: boolean }).aborted) return undefined;
      const delay = backoffDelay(attempt, backoff);
      onError(error, delay, attempt);
      await sleep(delay, signal);
    }
  }
  return undefined;
}
