import { PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { manyListeners, runWithDeadline } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { all } from './asking.js';
import type { Pausing, SwitchoverContext } from './context.js';
import { PAUSE_GRACE, pauseNode } from './pause-node.js';

/** A move takes about so long; with less time left clients would run into it. */
const ENOUGH: Milliseconds = 3_000;

/**
 * Right before the move: do all clients still wait, and for long enough? The pause may have taken its
 * time, a process may have been frozen, a supervise that was restarted has let its clients go.
 * @throws PgcmError when they do not: nothing was moved yet, so all can be rolled back
 */
export async function requireStillPaused(context: SwitchoverContext, signal: AbortSignal): Promise<void> {
  const { pausing, options } = context;
  if (pausing === undefined) throw new PgcmError('internal', 'the move comes after the pause');
  const left = timeLeft(pausing.since, options.pauseExpiry);
  // Nobody publishes whether clients wait at a node without a proxy. Where every node has one this takes no time.
  if (pausing.byRpc.length > 0) {
    await runWithDeadline('pausing again', options.pauseTimeout + PAUSE_GRACE, signal, (on) =>
      all(pausing.byRpc.map((api) => pauseNode(context, api, left, manyListeners(on)))),
    );
    timeLeft(pausing.since, options.pauseExpiry);
  }
  requireProxiesPaused(context, pausing);
}

/** Of pause-expiry, which counts from the first order to pause. @throws PgcmError `timed-out` when a move may take longer */
function timeLeft(since: Milliseconds, expiry: Milliseconds | 'never'): Milliseconds | 'never' {
  if (expiry === 'never') return 'never';
  const left = Math.floor(since + expiry - monotonic());
  if (left >= Math.min(ENOUGH, expiry / 2)) return left;
  throw new PgcmError(
    'timed-out',
    `of pause-expiry (${formatDuration(expiry)}) only ${formatDuration(Math.max(0, left))} is left, ` +
      'too little for a move: choose it longer, or pause-timeout shorter',
  );
}

function requireProxiesPaused({ watched, holder }: SwitchoverContext, pausing: Pausing): void {
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
