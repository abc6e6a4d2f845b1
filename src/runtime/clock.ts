import type { Milliseconds } from '../domain/time.js';

/** Milliseconds on the monotonic clock. Every wait and expiry is counted on it: wall clocks jump. */
export function monotonic(): Milliseconds {
  return performance.now();
}
