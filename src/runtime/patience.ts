import type { Milliseconds } from '../domain/time.js';

/** A wait is divided into so many. */
const SLICES = 4;

/**
 * Calls `onEnd` after this time, in which this process has looked at its sockets several times. A plain timer
 * may be the first to run in a process that was frozen, or kept from the processor: what it waits for has
 * come by then, but was not read yet, and whoever sent it would be blamed.
 *
 * @returns what takes it back
 */
export function patientTimer(ms: Milliseconds, onEnd: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let turn: NodeJS.Immediate | undefined;
  const wait = (left: number): void => {
    timer = setTimeout(() => {
      // Immediates run after the sockets were looked at.
      turn = setImmediate(() => (left > 1 ? wait(left - 1) : onEnd()));
    }, ms / SLICES);
  };
  wait(SLICES);
  return () => {
    clearTimeout(timer);
    clearImmediate(turn);
  };
}
