import { PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { formatDuration } from '../runtime/durations.js';
import type { SwitchoverContext } from './context.js';

/** A move takes about so long; with less time left clients would run into it. */
const ENOUGH: Milliseconds = 3_000;

/**
 * Right before the move: do all clients still wait, and for long enough? The pause may have taken its
 * time, a process may have been frozen.
 * @throws PgcmError when they do not: nothing was moved yet, so all can be rolled back
 */
export function requireStillPaused({ pausing, watched, options, holder }: SwitchoverContext): void {
  if (pausing === undefined) throw new PgcmError('internal', 'the move comes after the pause');
  const { pauseExpiry: expiry } = options;
  if (expiry !== 'never') {
    const left = pausing.since + expiry - monotonic();
    if (left < Math.min(ENOUGH, expiry / 2)) {
      throw new PgcmError(
        'timed-out',
        `of pause-expiry (${formatDuration(expiry)}) only ${formatDuration(Math.max(0, Math.round(left)))} is left, ` +
          'too little for a move: choose it longer, or pause-timeout shorter',
      );
    }
  }
  const listed = watched?.proxies.newest?.proxies ?? [];
  const running = listed.filter(({ id, pause }) => {
    if (!pausing.proxies.has(id)) return false;
    return pause.kind !== 'paused' || pause.request !== holder.id;
  });
  if (running.length === 0) return;
  const names = running.map(({ id }) => id).join(', ');
  throw new PgcmError(
    'conflict',
    `clients do not wait any more at ${names}: see the log of pgcm proxy there`,
  );
}
