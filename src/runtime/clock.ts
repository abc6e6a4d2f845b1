import type { Milliseconds } from '../domain/time.js';

/** Milliseconds on the monotonic clock. Every wait and expiry is counted on it: wall clocks jump. */
export function monotonic(): Milliseconds {
  return performance.now();
}

/** A timer set for longer than 2^31-1 ms fires at once; this one fires after that long (24 days). */
export function timerSpan(ms: Milliseconds): Milliseconds {
  return Math.min(ms, 2 ** 31 - 1);
}
