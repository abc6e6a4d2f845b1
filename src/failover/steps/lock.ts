import { events } from '../../domain/events.js';
import { describeError, hasCode, PgcmError } from '../../domain/errors.js';
import { formatDuration } from '../../runtime/durations.js';
import type { SwitchoverContext } from '../context.js';
import type { Step } from '../pipeline.js';

/** One switchover at a time, in the whole cluster. */
export const lock: Step<SwitchoverContext> = {
  name: 'lock',
  async run(context, signal) {
    const { log, options, holder } = context;
    log.info(events.etcdLockAcquire, { id: holder.id }, 'acquiring failover lock in etcd');
    const waiting = new AbortController();
    const timer = setTimeout(
      () =>
        waiting.abort(
          new PgcmError('timed-out', `no lock within ${formatDuration(options.lockTimeout)} (lock-timeout)`),
        ),
      options.lockTimeout,
    );
    try {
      context.held = await context.lock.acquire(holder, AbortSignal.any([signal, waiting.signal]));
    } catch (error) {
      if (signal.aborted && hasCode(error, 'lock-held', 'aborted')) throw signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
    }
    log.info(events.etcdLockAcquired, { revision: context.held.revision });
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
