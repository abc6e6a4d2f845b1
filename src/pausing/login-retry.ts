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
  /** The site's value, by bouncer, while ours is in force. */
  readonly #site = new Map<Bouncer, string>();

  constructor(timeout: Milliseconds, log: Log) {
    this.#timeout = timeout;
    this.#log = log;
  }

  /** Sets it also when it was short already: a RELOAD in between has brought the site's value back. */
  async shorten(bouncer: Bouncer, signal: AbortSignal): Promise<void> {
    if (!this.#site.has(bouncer)) {
      const value = await bouncer.setting('server_login_retry', signal);
      // Ours, of an earlier life of this daemon: what the site wants comes back with the next RELOAD.
      if (value !== LOGIN_RETRY_WHILE_PAUSED) this.#site.set(bouncer, value);
    }
    await bouncer.set('server_login_retry', LOGIN_RETRY_WHILE_PAUSED, signal);
  }

  /** Never rejects. */
  async restore(signal: AbortSignal): Promise<void> {
    for (const [bouncer, value] of this.#site) {
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
    this.#site.clear();
  }
}
