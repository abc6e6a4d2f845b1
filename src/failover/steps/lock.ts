import { events } from '../../domain/events.js';
import { describeError, hasCode, PgcmError } from '../../domain/errors.js';
import type { HeldLock } from '../../domain/stores.js';
import { runWithDeadline } from '../../runtime/deadline.js';
import { formatDuration } from '../../runtime/durations.js';
import type { SwitchoverContext } from '../context.js';
import { inspectionTimeout } from '../facts.js';
import { requireNone, settled, SETTLED_WITHIN } from '../examine.js';
import type { Step } from '../pipeline.js';

/** One switchover at a time, in the whole cluster. */
export const lock: Step<SwitchoverContext> = {
  name: 'lock',
  async run(context, signal) {
    const { log, holder, options } = context;
    log.info(events.etcdLockAcquire, { id: holder.id }, 'acquiring failover lock in etcd');
    // With no deadline around it: who stops waiting takes its place in the queue back, which must be waited for.
    context.held = await acquire(context, signal);
    log.info(events.etcdLockAcquired, { revision: context.held.revision });
    const limit = SETTLED_WITHIN + 2 * (inspectionTimeout(options) + options.etcdTimeout);
    await runWithDeadline('looking again under the lock', limit, signal, (on) => examineAgain(context, on));
  },
  undo: {
    name: 'unlock',
    timeout: ({ options }) => options.etcdTimeout,
    async run(context, signal) {
      const { held, log } = context;
      if (held === undefined) return;
      log.info(events.etcdLockRelease, {}, 'releasing failover lock in etcd');
      try {
        await held.release(signal);
      } catch (cause) {
        throw new PgcmError(
          'unavailable',
          `the failover lock was not released; it ends by itself with its lease, some 10 s from now: ${describeError(cause)}`,
          { cause },
        );
      }
    },
  },
};

async function acquire(context: SwitchoverContext, signal: AbortSignal): Promise<HeldLock> {
  const { options, holder } = context;
  const waiting = new AbortController();
  const timer = setTimeout(
    () =>
      waiting.abort(
        new PgcmError('timed-out', `no lock within ${formatDuration(options.lockTimeout)} (lock-timeout)`),
      ),
    options.lockTimeout,
  );
  try {
    return await context.lock.acquire(holder, AbortSignal.any([signal, waiting.signal]));
  } catch (error) {
    if (signal.aborted && hasCode(error, 'lock-held', 'aborted')) throw signal.reason;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What counts is what is seen under the lock: until then another run may have been at work. */
async function examineAgain(context: SwitchoverContext, signal: AbortSignal): Promise<void> {
  const before = context.plan;
  requireNone(await settled(context, signal));
  const now = context.plan;
  if (before === undefined || before.primary === now?.primary) return;
  throw new PgcmError(
    'refused',
    `the primary was ${before.primary} and is ${now?.primary ?? 'not known'} now: another run has moved it while ` +
      'this one waited for the lock; run pgcm failover again if it shall be moved from there',
  );
}
