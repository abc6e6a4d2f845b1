import type { Address } from '../domain/address.js';
import { LOGIN_RETRY_WHILE_PAUSED, type Bouncer } from '../domain/bouncer.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { PauseOrder } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline, sleep, untilAborted } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { retryForever } from '../runtime/retry.js';
import type { Service } from '../runtime/service-group.js';

export interface PauseKeeperOptions {
  readonly bouncers: readonly Bouncer[];
  /** For each console command but PAUSE (pgbouncer-timeout). */
  readonly timeout: Milliseconds;
  readonly log: Log;
}

/** How often a resume looks whether the bouncers lead to the target yet. */
const LOOK_INTERVAL: Milliseconds = 10;

/**
 * After a resume PgBouncer logs in to the new primary. A login that fails in these first seconds must
 * be tried again soon; the site's own server_login_retry comes back after them.
 */
const LOGIN_RETRY_RESTORED_AFTER: Milliseconds = 5_000;

interface Pause {
  /** On the monotonic clock; Infinity for an endless one. */
  readonly endsAt: Milliseconds;
  /** Where clients were led when it began; undefined when that was not known. */
  readonly ledTo: Address | undefined;
}

/**
 * Keeps the promise that a pause has an end: each one is lifted by a resume or by its expiry, and
 * one that an earlier life of this daemon left behind is lifted at the start.
 *
 * One command at a time changes the bouncers, so that a resume never overtakes the pause it ends.
 */
export class PauseKeeper implements Service {
  readonly name = 'pause-keeper';
  readonly #options: PauseKeeperOptions;
  readonly #log: Log;
  #pause: Pause | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #restore: NodeJS.Timeout | undefined;
  /** server_login_retry as the site set it, by bouncer, while ours is in force. */
  #siteLoginRetry = new Map<Bouncer, string>();
  #turn: Promise<unknown> = Promise.resolve();
  #lifetime: AbortSignal = AbortSignal.abort();

  constructor(options: PauseKeeperOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  get paused(): boolean {
    return this.#pause !== undefined;
  }

  /** Lifts what an earlier life left behind; at the end, what this one began. */
  async run(signal: AbortSignal): Promise<void> {
    this.#lifetime = signal;
    await this.#inTurn(() => this.#liftLeftovers(signal));
    await untilAborted(signal);
    clearTimeout(this.#restore);
    clearTimeout(this.#expiry);
    // Nobody would lift it after this process: clients run again now rather than never.
    if (this.#pause !== undefined) await this.#inTurn(() => this.#resumeAll(new AbortController().signal));
  }

  /**
   * @param ledTo the published route's address, for a later resume to tell the old from the new
   * @throws PgcmError `timed-out` when a transaction stayed open; then nothing is paused
   */
  pause(order: PauseOrder, ledTo: Address | undefined, signal: AbortSignal): Promise<void> {
    const endsAt = order.expiry === 'never' ? Number.POSITIVE_INFINITY : monotonic() + order.expiry;
    return this.#inTurn(async () => {
      clearTimeout(this.#restore);
      // Armed before the first PAUSE: if this process stalls in between, the end comes all the same.
      this.#arm({ endsAt, ledTo: this.#pause?.ledTo ?? ledTo });
      try {
        await Promise.all(this.#options.bouncers.map((b) => this.#pauseOne(b, order.timeout, signal)));
        this.#log.info(events.pgbouncerPaused, { expiry: describeExpiry(order) });
      } catch (error) {
        // All or nothing: one bouncer that runs would write to a primary about to stop.
        await this.#resumeAll(this.#lifetime);
        throw error;
      }
    });
  }

  /** @throws PgcmError `refused` when the bouncers do not lead to the target within `timeout` */
  async resume(target: Address | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void> {
    if (target !== undefined) await this.#untilLeadingTo(target, timeout, signal);
    await this.#inTurn(() => this.#resumeAll(signal));
  }

  async #pauseOne(bouncer: Bouncer, timeout: Milliseconds, signal: AbortSignal): Promise<void> {
    await this.#bounded(`${bouncer.name}: preparing the pause`, signal, async (on) => {
      const site = await bouncer.setting('server_login_retry', on);
      if (site !== LOGIN_RETRY_WHILE_PAUSED) this.#siteLoginRetry.set(bouncer, site);
      await bouncer.set('server_login_retry', LOGIN_RETRY_WHILE_PAUSED, on);
    });
    await runWithDeadline(`PAUSE on ${bouncer.name}: a transaction stayed open`, timeout, signal, (on) =>
      bouncer.pause(on),
    );
  }

  /** Resumes every bouncer, also when one fails, and stops the expiry when all run. */
  async #resumeAll(signal: AbortSignal): Promise<void> {
    const results = await Promise.allSettled(
      this.#options.bouncers.map((bouncer) =>
        this.#bounded(`RESUME on ${bouncer.name}`, signal, async (on) => {
          // A RELOAD in the meantime has brought the site's value back; 15 s of errors would follow.
          await bouncer.set('server_login_retry', LOGIN_RETRY_WHILE_PAUSED, on);
          const outcome = await bouncer.resume(on);
          this.#log.info(events.pgbouncerResumed, { bouncer: bouncer.name, outcome });
        }),
      ),
    );
    const failed = results.find((r) => r.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    clearTimeout(this.#expiry);
    this.#pause = undefined;
    this.#restore = setTimeout(
      () => void this.#inTurn(() => this.#restoreLoginRetry()),
      LOGIN_RETRY_RESTORED_AFTER,
    );
  }

  #arm(pause: Pause): void {
    this.#pause = pause;
    clearTimeout(this.#expiry);
    if (pause.endsAt === Number.POSITIVE_INFINITY) return;
    this.#expiry = setTimeout(() => void this.#expire(pause), Math.max(0, pause.endsAt - monotonic()));
  }

  /** Tries until it is done: a pause that stays is an outage. */
  async #expire(pause: Pause): Promise<void> {
    this.#log.warn(events.pgbouncerPauseExpired, {}, 'nobody resumed in time: letting the clients go on');
    await retryForever(
      (signal) =>
        this.#inTurn(async () => {
          // A newer pause, or a resume, took this one's place while it waited for its turn.
          if (this.#pause === pause) await this.#resumeAll(signal);
        }),
      { min: 100, max: 1_000 },
      this.#lifetime,
      (error, retryIn) => this.#logRetry('lifting an expired pause', error, retryIn),
    );
  }

  async #liftLeftovers(signal: AbortSignal): Promise<void> {
    let told = '';
    const lift = async (bouncer: Bouncer): Promise<void> => {
      await retryForever(
        (on) => this.#bounded(`RESUME on ${bouncer.name}`, on, (within) => bouncer.resume(within)),
        { min: 200, max: 1_000 },
        signal,
        (error, retryIn) => {
          if (told === describeError(error)) return;
          told = describeError(error);
          this.#logRetry('looking for a pause that an earlier run left', error, retryIn);
        },
      ).then((lifted) => {
        if (lifted?.value !== 'resumed') return;
        this.#log.warn(
          events.pgbouncerLeftoverPause,
          { bouncer: bouncer.name },
          'lifted a pause that nobody kept',
        );
      });
    };
    await Promise.all(this.#options.bouncers.map(lift));
  }

  async #restoreLoginRetry(): Promise<void> {
    for (const [bouncer, value] of this.#siteLoginRetry) {
      try {
        await this.#bounded(`restoring server_login_retry on ${bouncer.name}`, this.#lifetime, (on) =>
          bouncer.set('server_login_retry', value, on),
        );
      } catch (error) {
        // Harmless: the next RELOAD brings it back.
        this.#log.warn(events.pgbouncerError, { bouncer: bouncer.name, error: describeError(error) });
      }
    }
    this.#siteLoginRetry.clear();
  }

  async #untilLeadingTo(target: Address, timeout: Milliseconds, signal: AbortSignal): Promise<void> {
    const deadline = monotonic() + timeout;
    for (;;) {
      const astray = await this.#leadingElsewhere(target, signal);
      if (astray === undefined) return;
      if (monotonic() >= deadline) throw this.#refusal(target, timeout, astray);
      if ((await sleep(LOOK_INTERVAL, signal)) === 'aborted') {
        throw new PgcmError('aborted', `resume: given up while ${astray}`);
      }
    }
  }

  #refusal(target: Address, timeout: Milliseconds, astray: string): PgcmError {
    const left = (this.#pause?.endsAt ?? monotonic()) - monotonic();
    const end = Number.isFinite(left)
      ? `for ${formatDuration(Math.max(0, Math.round(left)))} at most`
      : 'until a resume';
    return new PgcmError(
      'refused',
      `PgBouncer does not lead to ${target} after ${formatDuration(timeout)}: ${astray}; ` +
        `clients wait ${end}; is pgcm proxy running on this node? its log says what keeps it`,
    );
  }

  /** What leads elsewhere, in words; undefined when every bouncer leads to the target. */
  async #leadingElsewhere(target: Address, signal: AbortSignal): Promise<string | undefined> {
    const old = this.#pause?.ledTo;
    for (const bouncer of this.#options.bouncers) {
      const databases = await this.#bounded(`SHOW DATABASES on ${bouncer.name}`, signal, (on) =>
        bouncer.databases(on),
      );
      const stale = databases.find((d) => old !== undefined && old !== target && d.host === old);
      if (stale !== undefined) return `${bouncer.name} still leads ${stale.name} to ${old ?? ''}`;
      if (!databases.some((d) => d.host === target))
        return `${bouncer.name} has no database that leads there`;
    }
    return undefined;
  }

  #bounded<T>(what: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return runWithDeadline(what, this.#options.timeout, signal, work);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #logRetry(what: string, error: unknown, retryIn: Milliseconds): void {
    this.#log.error(events.pgbouncerError, {
      tried: what,
      error: describeError(error),
      retry_in: formatDuration(retryIn),
    });
  }
}

function describeExpiry({ expiry }: PauseOrder): string {
  return expiry === 'never' ? 'never' : formatDuration(expiry);
}
