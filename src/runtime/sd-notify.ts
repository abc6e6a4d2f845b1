import { PgcmError } from '../domain/errors.js';
import { sleep, untilAborted } from './deadline.js';
import type { Milliseconds } from '../domain/time.js';
import { exec } from './exec.js';
import type { Service } from './service-group.js';

/** What of the environment the sd_notify protocol uses (man sd_notify, sd_watchdog_enabled). */
export interface NotifyEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
}

export interface NotifyOptions {
  /** Before READY=1 is sent; by default the daemon is ready as soon as it runs. */
  readonly ready?: Promise<unknown> | undefined;
  /** Why the daemon is not alive though its event loop turns; undefined: it is. */
  readonly stuck?: () => string | undefined;
}

/**
 * Tells the service manager that the daemon is ready and, while its loops turn, that it is
 * alive. Node has no datagram sockets of the unix family, so systemd's own systemd-notify sends the
 * messages; the unit needs NotifyAccess=all for that.
 *
 * @returns a service, or undefined when no service manager asked to be told
 */
export function sdNotify(
  env: NotifyEnvironment,
  onError: (error: unknown) => void,
  { ready = Promise.resolve(), stuck = () => undefined }: NotifyOptions = {},
): Service | undefined {
  if (env.NOTIFY_SOCKET === undefined || env.NOTIFY_SOCKET === '') return undefined;
  const every = watchdogInterval(env.WATCHDOG_USEC);
  return {
    name: 'watchdog',
    async run(signal) {
      const send = async (state: string, on: AbortSignal): Promise<void> => {
        try {
          const { status, stderr } = await exec('systemd-notify', [state], { signal: on, timeout: 2_000 });
          if (status !== 0) throw new PgcmError('unavailable', `systemd-notify ${state}: ${stderr.trim()}`);
        } catch (error) {
          if (!on.aborted) onError(error);
        }
      };
      await Promise.race([ready, untilAborted(signal)]);
      if (!signal.aborted) await send('READY=1', signal);
      while (every !== undefined && (await sleep(every, signal)) === 'elapsed') {
        const why = stuck();
        if (why === undefined) await send('WATCHDOG=1', signal);
        else onError(new PgcmError('internal', `not told to be alive: ${why}`));
      }
      if (every === undefined) await untilAborted(signal);
      await send('STOPPING=1', new AbortController().signal);
    },
  };
}

/** A third of the time the service manager allows: two messages may get lost. */
function watchdogInterval(usec: string | undefined): Milliseconds | undefined {
  const parsed = Number(usec);
  return usec !== undefined && parsed > 0 ? parsed / 1_000 / 3 : undefined;
}
