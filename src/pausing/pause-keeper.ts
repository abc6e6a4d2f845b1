import type { Address } from '../domain/address.js';
import type { Bouncer, BouncerDatabase } from '../domain/bouncer.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { PauseOrder } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, runWithDeadline, untilAborted } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { retryForever } from '../runtime/retry.js';
import type { Service } from '../runtime/service-group.js';
import { leadingTo, refusal, untilLeadingTo } from './destination.js';
import { liftLeftovers, retryTeller } from './leftovers.js';
import { LoginRetry } from './login-retry.js';

export interface PauseKeeperOptions {
  readonly bouncers: readonly Bouncer[];
  /** For each console command but PAUSE (pgbouncer-timeout). */
  readonly timeout: Milliseconds;
  readonly log: Log;
  /**
   * After a resume PgBouncer logs in to the new primary. A login that fails in these first seconds must
   * be tried again soon; the site's own server_login_retry comes back after them. By default 5 s.
   */
  readonly loginRetryRestoredAfter?: Milliseconds;
}

const LOGIN_RETRY_RESTORED_AFTER: Milliseconds = 5_000;

interface Pause {
  /** On the monotonic clock; Infinity for an endless one. */
  readonly endsAt: Milliseconds;
  /** Filled while it begins. */
  readonly ledBefore: Map<Bouncer, ReadonlySet<string>>;
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
  readonly #loginRetry: LoginRetry;
  #pause: Pause | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #restore: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #lifetime: AbortSignal = AbortSignal.abort();

  constructor(options: PauseKeeperOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#loginRetry = new LoginRetry(options.timeout, options.log);
  }

  get paused(): boolean {
    return this.#pause !== undefined;
  }

  /** Lifts what an earlier life left behind; at the end, what this one began. */
  async run(signal: AbortSignal): Promise<void> {
    this.#lifetime = signal;
    await liftLeftovers(
      this.#options.bouncers,
      (bouncer, on) => this.#liftOne(bouncer, on),
      this.#log,
      signal,
    );
    await untilAborted(signal);
    clearTimeout(this.#expiry);
    // Nobody would lift it after this process: clients run again now rather than never. In turn, as a
    // pause may be under way; those behind this one are refused.
    await this.#inTurn(async () => {
      if (this.#pause !== undefined) await this.#resumeAll(new AbortController().signal);
    });
    clearTimeout(this.#restore);
  }

  /**
   * @param primary the published route's address, for a later resume to tell the old from the new
   * @throws PgcmError `timed-out` when a transaction stayed open; then nothing is paused
   */
  pause(order: PauseOrder, primary: Address | undefined, signal: AbortSignal): Promise<void> {
    const endsAt = order.expiry === 'never' ? Number.POSITIVE_INFINITY : monotonic() + order.expiry;
    return this.#inTurn(async () => {
      // Its caller may have given up while it waited for its turn: nothing is touched then.
      if (signal.aborted) throw abortError(signal, 'pause');
      if (this.#lifetime.aborted) {
        throw new PgcmError('unavailable', 'pause: supervise is stopping, and nobody would lift the pause');
      }
      clearTimeout(this.#restore);
      // Armed before the first PAUSE: if this process stalls in between, the end comes all the same.
      const pause = { endsAt, ledBefore: new Map(this.#pause?.ledBefore) };
      this.#arm(pause);
      try {
        await this.#pauseAll(pause, order.timeout, primary, signal);
        this.#log.info(events.pgbouncerPaused, { expiry: describeExpiry(order) });
      } catch (error) {
        throw await this.#takenBack(pause, error);
      }
    });
  }

  /** Pauses every bouncer; the first one that fails ends the wait of the others. */
  async #pauseAll(
    { endsAt, ledBefore }: Pause,
    timeout: Milliseconds,
    primary: Address | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const failed = new AbortController();
    const on = AbortSignal.any([signal, failed.signal]);
    const pauseOne = async (bouncer: Bouncer): Promise<void> => {
      try {
        const databases = await this.#prepare(bouncer, on);
        if (!ledBefore.has(bouncer)) ledBefore.set(bouncer, leadingTo(primary, databases));
        // While it waits for transactions new statements wait, too: that ends with the expiry at the latest.
        const ms = Math.max(0, Math.min(timeout, Math.ceil(endsAt - monotonic())));
        await runWithDeadline(`PAUSE on ${bouncer.name}: a transaction stayed open`, ms, on, (within) =>
          bouncer.pause(within),
        );
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    };
    // None is left under way: its PAUSE would come after the RESUME, and nobody would lift it.
    await allOf(this.#options.bouncers.map(pauseOne));
  }

  /** @throws PgcmError `refused` when the bouncers do not lead to the target within `timeout` */
  async resume(target: Address | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void> {
    if (target !== undefined) {
      const { bouncers, timeout: commandTimeout } = this.#options;
      const ledBefore = this.#pause?.ledBefore ?? new Map();
      const obstacle = await untilLeadingTo({ bouncers, target, ledBefore, commandTimeout }, timeout, signal);
      if (obstacle !== undefined) throw refusal(target, timeout, obstacle, this.#pause?.endsAt);
    }
    await this.#inTurn(() => this.#resumeAll(signal));
  }

  #prepare(bouncer: Bouncer, signal: AbortSignal): Promise<readonly BouncerDatabase[]> {
    return this.#bounded(`${bouncer.name}: preparing the pause`, signal, async (on) => {
      await this.#loginRetry.shorten(bouncer, on);
      return await bouncer.databases(on);
    });
  }

  /** One turn a try: a pause that comes while a bouncer is down has to hear so, and not to wait for it. */
  #liftOne(bouncer: Bouncer, signal: AbortSignal): ReturnType<Bouncer['resume']> {
    return this.#inTurn(async () => {
      // What is paused now has its own end.
      if (this.#pause !== undefined) return 'was-not-paused';
      return await this.#bounded(`RESUME on ${bouncer.name}`, signal, (on) => bouncer.resume(on));
    });
  }

  /** All or nothing: one bouncer that runs would write to a primary about to stop. @returns the error to tell */
  async #takenBack(pause: Pause, error: unknown): Promise<unknown> {
    try {
      // A signal of its own: the caller's may be what ended the pause.
      await this.#resumeAll(new AbortController().signal);
      return error;
    } catch (left) {
      this.#arm({ ...pause, endsAt: monotonic() });
      const code = error instanceof PgcmError ? error.code : 'internal';
      const message = `${describeError(error)}; and letting the clients go on failed, it is tried again until it works`;
      return new PgcmError(code, `${message}: ${describeError(left)}`, { cause: error });
    }
  }

  /** Resumes every bouncer, also when one fails, and stops the expiry when all run. */
  async #resumeAll(signal: AbortSignal): Promise<void> {
    await allOf(
      this.#options.bouncers.map((bouncer) =>
        this.#bounded(`RESUME on ${bouncer.name}`, signal, async (on) => {
          await this.#loginRetry.shorten(bouncer, on);
          const outcome = await bouncer.resume(on);
          this.#log.info(events.pgbouncerResumed, { bouncer: bouncer.name, outcome });
        }),
      ),
    );
    clearTimeout(this.#expiry);
    this.#pause = undefined;
    clearTimeout(this.#restore);
    this.#restore = setTimeout(
      () => void this.#restoreLoginRetry(),
      this.#options.loginRetryRestoredAfter ?? LOGIN_RETRY_RESTORED_AFTER,
    );
  }

  #restoreLoginRetry(): Promise<void> {
    return this.#inTurn(async () => {
      // A pause may have been before it in the queue.
      if (this.#pause === undefined) await this.#loginRetry.restore(this.#lifetime);
    });
  }

  #arm(pause: Pause): void {
    this.#pause = pause;
    clearTimeout(this.#expiry);
    if (pause.endsAt === Number.POSITIVE_INFINITY) return;
    this.#expiry = setTimeout(() => void this.#expire(pause), Math.max(0, pause.endsAt - monotonic()));
  }

  /** Tries until it is done: a pause that stays is an outage. */
  async #expire(pause: Pause): Promise<void> {
    let told = false;
    await retryForever(
      (signal) =>
        this.#inTurn(async () => {
          // A newer pause, or a resume, took this one's place while it waited for its turn.
          if (this.#pause !== pause) return;
          if (!told)
            this.#log.warn(
              events.pgbouncerPauseExpired,
              {},
              'nobody resumed in time: letting the clients go on',
            );
          told = true;
          await this.#resumeAll(signal);
        }),
      { min: 100, max: 1_000 },
      this.#lifetime,
      retryTeller(this.#log, 'lifting an expired pause'),
    );
  }

  #bounded<T>(what: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return runWithDeadline(what, this.#options.timeout, signal, work);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** Waits for all of them, also when one fails. @throws the first one's failure */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function describeExpiry({ expiry }: PauseOrder): string {
  return expiry === 'never' ? 'never' : formatDuration(expiry);
}
