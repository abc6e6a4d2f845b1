import { LOGIN_RETRY_WHILE_PAUSED, type Bouncer } from '../domain/bouncer.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

/**
 * server_login_retry of the bouncers: short from a pause until a while after the resume, else as the
 * site set it. Who uses this sees to it that one method runs at a time.
 */
export class LoginRetry {
  readonly #log: Log;
  /** For each restoring command. */
  readonly #timeout: Milliseconds;
  /** Where ours is in force, with the site's value; undefined: ours was there, of an earlier life of this daemon. */
  readonly #short = new Map<Bouncer, string | undefined>();

  constructor(timeout: Milliseconds, log: Log) {
    this.#timeout = timeout;
    this.#log = log;
  }

  isShort(bouncer: Bouncer): boolean {
    return this.#short.has(bouncer);
  }

  /** Sets it also when it was short already: a RELOAD in between has brought the site's value back. */
  async shorten(bouncer: Bouncer, signal: AbortSignal): Promise<void> {
    if (!this.#short.has(bouncer)) {
      const value = await bouncer.setting('server_login_retry', signal);
      this.#short.set(bouncer, value === LOGIN_RETRY_WHILE_PAUSED ? undefined : value);
    }
    await bouncer.set('server_login_retry', LOGIN_RETRY_WHILE_PAUSED, signal);
  }

  /** Never rejects. */
  async restore(signal: AbortSignal): Promise<void> {
    for (const [bouncer, value] of this.#short) {
      // What the site wants comes back with the next RELOAD.
      if (value === undefined) continue;
      try {
        await runWithDeadline(
          `restoring server_login_retry on ${bouncer.name}`,
          this.#timeout,
          signal,
          (on) => bouncer.set('server_login_retry', value, on),
        );
      } catch (error) {
        // Harmless: the next RELOAD brings it back.
        this.#log.warn(events.pgbouncerError, { bouncer: bouncer.name, error: describeError(error) });
      }
    }
    this.#short.clear();
  }
}
