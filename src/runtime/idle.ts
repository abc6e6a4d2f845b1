import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from './clock.js';

/** A turn of this process's loop that takes longer has work in it. */
const BUSY: Milliseconds = 5;

/** Waits while this process has other work to do, and no longer than `ms`: for what nobody waits for. */
export async function untilIdle(ms: Milliseconds): Promise<void> {
  const end = monotonic() + ms;
  for (let turn = monotonic(), now = turn; now < end; turn = now) {
    await nextTurn();
    now = monotonic();
    if (now - turn < BUSY) return;
  }
}
