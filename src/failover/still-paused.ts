import { PgcmError } from '../domain/errors.js';
import type { NodeApi } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { manyListeners, runWithDeadline } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { all, insist } from './asking.js';
import { mandateOf, type Pausing, type SwitchoverContext } from './context.js';

/** A move takes about so long; with less time left clients would run into it. */
const ENOUGH: Milliseconds = 3_000;

/** Beyond the bouncers' own time: they end the wait, and the answers say why. */
const GRACE: Milliseconds = 2_000;

/**
 * Right before the move: do all clients still wait, and for long enough? The pause may have taken its
 * time, a process may have been frozen, a supervise that was restarted has let its clients go.
 * @throws PgcmError when they do not: nothing was moved yet, so all can be rolled back
 */
export async function requireStillPaused(context: SwitchoverContext, signal: AbortSignal): Promise<void> {
  const pausing = pausingOf(context);
  // Where every node has a proxy this takes no time at all.
  if (pausing.byRpc.length > 0) {
    await runWithDeadline('pausing again', context.options.pauseTimeout + GRACE, signal, (on) =>
      all(pausing.byRpc.map((api) => pauseAgain(context, api, manyListeners(on)))),
    );
  }
  timeLeft(context);
  requireProxiesPaused(context, pausing);
}

/** Nobody publishes whether clients wait at a node without a proxy. Pausing what is paused is done at once. */
async function pauseAgain(context: SwitchoverContext, api: NodeApi, signal: AbortSignal): Promise<void> {
  const expiry = timeLeft(context);
  const order = { timeout: context.options.pauseTimeout, expiry };
  await insist(signal, () => api.pause(order, mandateOf(context), signal));
}

/** Of pause-expiry, which counts from the first order to pause. @throws PgcmError `timed-out` when a move may take longer */
function timeLeft(context: SwitchoverContext): Milliseconds | 'never' {
  const { pauseExpiry: expiry } = context.options;
  if (expiry === 'never') return 'never';
  const left = Math.floor(pausingOf(context).since + expiry - monotonic());
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

function pausingOf({ pausing }: SwitchoverContext): Pausing {
  if (pausing === undefined) throw new PgcmError('internal', 'the move comes after the pause');
  return pausing;
}
