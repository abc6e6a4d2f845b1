import type { Address } from '../domain/address.js';
import type { Bouncer, PauseScope } from '../domain/bouncer.js';
import { describeError, hasCode } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, runWithDeadline, withEither } from '../runtime/deadline.js';
import { inLanes } from '../runtime/lanes.js';
import { leadingTo } from './destination.js';
import { LoginRetry } from './login-retry.js';
import type { PauseReason } from './pause-reasons.js';
import { Waits } from './waits.js';

/** A reason to pause, and until when. */
export interface Hold {
  readonly reason: PauseReason;
  /** On the monotonic clock; Infinity for an endless one. */
  readonly endsAt: Milliseconds;
  /** Open transactions are waited for, and all bouncers are paused or none. Else those are held that can be. */
  readonly isPause: boolean;
  /** Filled while it begins. */
  readonly ledBefore: Map<Bouncer, ReadonlySet<string>>;
  /** All bouncers are paused, or all that can be; and nobody has begun to let them go. */
  complete: boolean;
}

export interface HoldOrder {
  /** How long to wait for open transactions; `none`: new statements are held, whatever is open. */
  readonly timeout: Milliseconds | 'none';
  readonly endsAt: Milliseconds;
}

export interface HolderOptions {
  readonly bouncers: readonly Bouncer[];
  readonly timeout: Milliseconds;
  readonly log: Log;
  readonly scope?: () => PauseScope;
  readonly loginRetryRestoredAfter?: Milliseconds;
}

const LOGIN_RETRY_RESTORED_AFTER: Milliseconds = 5_000;

/** When one bouncer holds its clients, the others are paused later if they take longer than this. */
const GRACE: Milliseconds = 500;

/** The hands of the keeper: what a pause and its end are on the bouncers. One method at a time, except for `shortenAgain`. */
export class Holder {
  readonly waits = new Waits();
  readonly #options: HolderOptions;
  readonly #inTurn: (work: () => Promise<void>) => Promise<void>;
  readonly #loginRetry: LoginRetry;
  readonly #troubles = new Map<Bouncer, string>();
  /** Those that could not be told to let their clients go when the others were. */
  readonly #owed = new Set<Bouncer>();
  #held = false;
  #restore: NodeJS.Timeout | undefined;

  /** @param inTurn runs what this one does later by itself, when nothing else is under way */
  constructor(options: HolderOptions, inTurn: (work: () => Promise<void>) => Promise<void>) {
    this.#options = options;
    this.#inTurn = inTurn;
    this.#loginRetry = new LoginRetry(options.timeout, options.log);
  }

  close(): void {
    clearTimeout(this.#restore);
    this.#owed.clear();
  }

  /** Whether there is a bouncer left that must be told to let its clients go. */
  get owes(): boolean {
    return this.#owed.size > 0;
  }

  /** Pauses every bouncer; the first one that fails ends the wait of the others. Or holds those that can be. */
  async pauseAll(
    { endsAt, ledBefore }: Hold,
    timeout: HoldOrder['timeout'],
    primary: Address | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    clearTimeout(this.#restore);
    this.#held = true;
    this.#owed.clear();
    const { bouncers } = this.#options;
    const scope = this.#scope;
    const note = async (bouncer: Bouncer, on: AbortSignal): Promise<void> => {
      if (!ledBefore.has(bouncer)) ledBefore.set(bouncer, await this.#leads(bouncer, scope, primary, on));
    };
    if (timeout === 'none') {
      await this.#holdAny(note, signal);
      return;
    }
    await inLanes(bouncers, bouncers.length, signal, async (bouncer, on) => {
      await note(bouncer, on);
      // While it waits for transactions new statements wait, too: that ends with the expiry at the latest.
      const ms = Math.max(0, Math.min(timeout, Math.ceil(endsAt - monotonic())));
      await runWithDeadline(`PAUSE on ${bouncer.name}: a transaction stayed open`, ms, on, (within) =>
        bouncer.pause(scope, within),
      );
    });
  }

  /**
   * Each by itself: the clients of one have nothing to do with another one that is down. Those that could not be are
   * told of, and held, by the looks.
   * @throws the first failure when none can be held
   */
  async #holdAny(
    before: (bouncer: Bouncer, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const enough = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const hold = async (bouncer: Bouncer, on: AbortSignal): Promise<void> => {
      await before(bouncer, on);
      await this.#holdOne(bouncer, on);
      timer ??= setTimeout(() => enough.abort(), GRACE);
    };
    const results = await withEither(signal, enough.signal, (on) =>
      Promise.allSettled(this.#options.bouncers.map((bouncer) => hold(bouncer, on))),
    );
    clearTimeout(timer);
    if (signal.aborted) throw abortError(signal, 'hold');
    const [failure, ...others] = results.filter((result) => result.status === 'rejected');
    if (failure !== undefined && others.length + 1 === results.length) throw failure.reason;
  }

  #holdOne(bouncer: Bouncer, signal: AbortSignal): Promise<void> {
    return this.#bounded(`PAUSE on ${bouncer.name}`, signal, (on) => bouncer.hold(this.#scope, on));
  }

  /**
   * The RESUME comes first, since clients wait for it. A login that fails before server_login_retry is short
   * is tried again soon all the same: PgBouncer looks at the setting before each one.
   * @param mayOwe whether those that cannot be told are left for `resumeOwed`, as long as one can
   */
  async resumeAll(mayOwe: boolean, signal: AbortSignal): Promise<void> {
    const { bouncers, loginRetryRestoredAfter = LOGIN_RETRY_RESTORED_AFTER } = this.#options;
    this.waits.end();
    const failed: Bouncer[] = [];
    const results = await Promise.allSettled(
      bouncers.map(async (bouncer) => {
        try {
          await this.#resume(bouncer, signal);
        } catch (error) {
          failed.push(bouncer);
          throw error;
        }
        await this.#guarded(bouncer, (on) => this.#shorten(bouncer, on), signal);
      }),
    );
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined && !(mayOwe && failed.length < bouncers.length)) throw failure.reason;
    for (const bouncer of failed) this.#owed.add(bouncer);
    this.#held = false;
    clearTimeout(this.#restore);
    this.#restore = setTimeout(
      () => void this.#inTurn(() => this.#restoreLoginRetry()),
      loginRetryRestoredAfter,
    );
  }

  /** Tells those that could not be told with the others. Trouble is told, and it is tried again next time. */
  async resumeOwed(signal: AbortSignal): Promise<void> {
    const tell = async (bouncer: Bouncer, on: AbortSignal): Promise<void> => {
      await this.#resume(bouncer, on);
      this.#owed.delete(bouncer);
    };
    await Promise.all(
      [...this.#owed].map((bouncer) => this.#guarded(bouncer, (on) => tell(bouncer, on), signal)),
    );
  }

  async #resume(bouncer: Bouncer, signal: AbortSignal): Promise<void> {
    const outcome = await this.#bounded(`RESUME on ${bouncer.name}`, signal, (on) => bouncer.resume(on));
    this.#options.log.info(events.pgbouncerResumed, { bouncer: bouncer.name, outcome });
  }

  /**
   * Looks at the clients that wait, and pauses what runs. Trouble is told, and looked at again next time.
   * @param isPause see Hold
   */
  async lookAtAll(isPause: boolean, signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#options.bouncers.map((bouncer) =>
        this.#guarded(bouncer, (on) => this.#lookAt(bouncer, isPause, on), signal),
      ),
    );
  }

  /** After a RELOAD, when server_login_retry was made short and is not to be restored yet. */
  async shortenAgain(bouncer: Bouncer, signal: AbortSignal): Promise<void> {
    if (this.#loginRetry.isShort(bouncer)) {
      await this.#guarded(bouncer, (on) => this.#shorten(bouncer, on), signal);
    }
  }

  async #lookAt(bouncer: Bouncer, isPause: boolean, signal: AbortSignal): Promise<void> {
    await this.#pauseAgain(bouncer, isPause, signal);
    const pools = await this.#bounded(`SHOW POOLS on ${bouncer.name}`, signal, (on) => bouncer.pools(on));
    this.waits.see(bouncer, pools);
    if (this.#loginRetry.isShort(bouncer)) return;
    await this.#shorten(bouncer, signal);
  }

  #shorten(bouncer: Bouncer, signal: AbortSignal): Promise<void> {
    return this.#bounded(`shortening server_login_retry on ${bouncer.name}`, signal, (on) =>
      this.#loginRetry.shorten(bouncer, on),
    );
  }

  /** A PgBouncer that restarted runs. A pause of all shows nowhere: PAUSE is what finds out. */
  async #pauseAgain(bouncer: Bouncer, isPause: boolean, signal: AbortSignal): Promise<void> {
    const scope = this.#scope;
    if (scope !== 'all') {
      const databases = await this.#bounded(`SHOW DATABASES on ${bouncer.name}`, signal, (on) =>
        bouncer.databases(on),
      );
      const running = databases.filter(({ name, paused }) => !paused && scope.includes(name));
      if (running.length === 0) return;
      const names = running.map(({ name }) => name);
      this.#options.log.warn(
        events.pgbouncerPaused,
        { bouncer: bouncer.name, databases: names },
        'it ran in the middle of a pause: paused again',
      );
    }
    // Ends with the look, which whoever resumes cuts short.
    if (isPause) await bouncer.pause(scope, signal);
    else await this.#holdOne(bouncer, signal);
  }

  async #leads(
    bouncer: Bouncer,
    scope: PauseScope,
    primary: Address | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    if (scope !== 'all') return new Set(scope);
    if (primary === undefined) return new Set();
    const what = `SHOW DATABASES on ${bouncer.name}`;
    return leadingTo(primary, await this.#bounded(what, signal, (on) => bouncer.databases(on)));
  }

  async #restoreLoginRetry(): Promise<void> {
    // A pause may have been before it in the queue.
    if (!this.#held) await this.#loginRetry.restore(new AbortController().signal);
  }

  /** Never rejects: what fails here is tried again later, and told once. */
  async #guarded(
    bouncer: Bouncer,
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await work(signal);
      this.#troubles.delete(bouncer);
    } catch (thrown) {
      if (signal.aborted && hasCode(thrown, 'aborted')) return;
      const error = describeError(thrown);
      if (this.#troubles.get(bouncer) === error) return;
      this.#troubles.set(bouncer, error);
      this.#options.log.error(events.pgbouncerError, { bouncer: bouncer.name, error });
    }
  }

  get #scope(): PauseScope {
    return this.#options.scope?.() ?? 'all';
  }

  #bounded<T>(what: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return runWithDeadline(what, this.#options.timeout, signal, work);
  }
}
