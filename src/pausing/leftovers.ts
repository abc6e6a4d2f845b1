import type { Bouncer } from '../domain/bouncer.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Milliseconds } from '../domain/time.js';
import { formatDuration } from '../runtime/durations.js';
import { retryForever } from '../runtime/retry.js';

/**
 * Lifts the pauses that an earlier life of this daemon left behind. PgBouncer does not show a pause of
 * all databases, so RESUME is what finds out. Tries until each bouncer has answered.
 */
export async function liftLeftovers(
  bouncers: readonly Bouncer[],
  resume: (bouncer: Bouncer, signal: AbortSignal) => ReturnType<Bouncer['resume']>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const lift = async (bouncer: Bouncer): Promise<void> => {
    const lifted = await retryForever(
      (on) => resume(bouncer, on),
      { min: 200, max: 1_000 },
      signal,
      retryTeller(log, 'looking for a pause that an earlier run left'),
    );
    if (lifted?.value !== 'resumed') return;
    log.warn(events.pgbouncerLeftoverPause, { bouncer: bouncer.name }, 'lifted a pause that nobody kept');
  };
  await Promise.all(bouncers.map(lift));
}

/** Tells each failure of something that is tried again, but not the same one at every attempt. */
export function retryTeller(log: Log, tried: string): (error: unknown, retryIn: Milliseconds) => void {
  let last = '';
  return (thrown, retryIn) => {
    const error = describeError(thrown);
    if (error === last) return;
    last = error;
    log.error(events.pgbouncerError, { tried, error, retry_in: formatDuration(retryIn) });
  };
}
