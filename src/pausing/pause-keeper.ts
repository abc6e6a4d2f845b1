import type { Address } from '../domain/address.js';
import type { Bouncer, PauseScope } from '../domain/bouncer.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { PauseOrder } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, runWithDeadline, untilAborted } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { Latest } from '../runtime/latest.js';
import { retryForever } from '../runtime/retry.js';
import type { Service } from '../runtime/service-group.js';
import { Tally } from '../runtime/tally.js';
import { refusal, untilLeadingTo } from './destination.js';
import { Holder, type Hold, type HoldOrder } from './holder.js';
import { Holds } from './holds.js';
import { liftLeftovers, retryTeller } from './leftovers.js';
import { kindOfPause, pauseKinds, type PauseKind, type PauseReason } from './pause-reasons.js';

export interface PauseKeeperOptions {
  readonly bouncers: readonly Bouncer[];
  /** For each console command but PAUSE (pgbouncer-timeout). */
  readonly timeout: Milliseconds;
  readonly log: Log;
  /** What a pause holds; by default everything. */
  readonly scope?: () => PauseScope;
  /**
   * Awaited before the pauses that an earlier life left are lifted: whether there is nobody else whose
   * they are. It sees to its own end.
   */
  readonly mayLift?: (signal: AbortSignal) => Promise<boolean>;
  /** Between two looks at the bouncers during a pause; by default 250 ms. */
  readonly lookInterval?: Milliseconds;
  /**
   * After a resume PgBouncer logs in to the new primary. A login that fails in these first seconds must
   * be tried again soon; the site's own server_login_retry comes back after them. By default 5 s.
   */
  readonly loginRetryRestoredAfter?: Milliseconds;
}

/** What the keeper does, for those who tell others of it. */
export interface PauseNews {
  /** The reasons for which all bouncers are paused now; none: they run. */
  readonly reasons: readonly PauseReason[];
  /** At the last look. */
  readonly clientsWaiting: number;
  /** In this pause, or in the last one. */
  readonly longestWait: Milliseconds;
}

/** The reason of a pause that was asked for through the failover API. */
const API = 'api';

/** A bouncer that restarted runs: so late it is paused again. */
const LOOK_INTERVAL: Milliseconds = 250;
/**
 * After a pause has begun: who waits is seen, also when it lasts shorter than the interval. Not while the others'
 * pauses are still waited for, where many proxies share a host.
 */
const FIRST_LOOK: Milliseconds = 150;

/** One for all: to make an error takes longer than the rest of it, and clients wait. */
const CUT_SHORT = new PgcmError('aborted', 'a look at the paused bouncers was cut short');

/**
 * Keeps the promise that a pause has an end. There may be several reasons to pause at once, each with its own
 * end; clients go on when none is left. A pause that an earlier life of this daemon left behind is lifted
 * at the start.
 *
 * One command at a time changes the bouncers, so that a resume never overtakes the pause it ends.
 */
export class PauseKeeper implements Service {
  readonly name = 'pause-keeper';
  readonly news = new Latest<PauseNews>({ reasons: [], clientsWaiting: 0, longestWait: 0 });
  /** Pauses that were complete, by what asked for them. */
  readonly begun = new Tally<PauseKind>(pauseKinds);
  /** Those that nobody ended in time. */
  readonly expired = new Tally<PauseKind>(pauseKinds);
  readonly #options: PauseKeeperOptions;
  readonly #log: Log;
  readonly #holder: Holder;
  readonly #holds = new Holds((hold) => void this.#expire(hold));
  #nextLook: NodeJS.Timeout | undefined;
  /** Ends a look that is under way: whoever changes something must not wait for it. */
  #looking = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();
  #lifetime: AbortSignal = AbortSignal.abort();

  constructor(options: PauseKeeperOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#holder = new Holder(options, (restore) => this.#inTurn(restore));
  }

  /** Whether there is a reason to pause, also one whose pause is not complete yet. */
  get paused(): boolean {
    return this.#holds.size > 0;
  }

  /** When the clients go on at the latest, on the monotonic clock; Infinity: never. Undefined while nothing is paused. */
  get endsAt(): Milliseconds | undefined {
    return this.#holds.endsAt;
  }

  /** Lifts what an earlier life left behind; at the end, what this one began. */
  async run(signal: AbortSignal): Promise<void> {
    this.#lifetime = signal;
    const { bouncers, mayLift } = this.#options;
    if ((await mayLift?.(signal)) ?? true) {
      await liftLeftovers(bouncers, (bouncer, on) => this.#liftOne(bouncer, on), this.#log, signal);
    }
    await untilAborted(signal);
    this.#interruptLook();
    this.#holds.stopTimers();
    // Nobody would lift it after this process: clients run again now rather than never. In turn, as a
    // pause may be under way; those behind this one are refused.
    await this.#inTurn(async () => {
      if (this.paused) await this.#resumeAll(new AbortController().signal);
    });
    this.#holder.close();
    clearTimeout(this.#nextLook);
  }

  /** A pause that was asked for through the failover API. @param primary the published route's address, see `hold` */
  pause({ timeout, expiry }: PauseOrder, primary: Address | undefined, signal: AbortSignal): Promise<void> {
    const endsAt = expiry === 'never' ? Number.POSITIVE_INFINITY : monotonic() + expiry;
    return this.hold(API, { timeout, endsAt }, primary, signal);
  }

  /**
   * Pauses for one more reason, or for this one anew.
   *
   * @param primary the published route's address, for a later resume to tell the old from the new
   * @throws PgcmError `timed-out` when a transaction stayed open; then nothing is paused for this reason. With timeout
   *   `none`: when no bouncer could be held; those that could not are as soon as they can be
   */
  hold(
    reason: PauseReason,
    order: HoldOrder,
    primary: Address | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    this.#interruptLook();
    return this.#inTurn(async () => {
      // Its caller may have given up while it waited for its turn: nothing is touched then.
      if (signal.aborted) throw abortError(signal, 'pause');
      if (this.#lifetime.aborted) {
        throw new PgcmError('unavailable', 'pause: this daemon is stopping, and nobody would lift the pause');
      }
      const before = this.#holds.get(reason);
      const hold: Hold = {
        reason,
        endsAt: order.endsAt,
        isPause: order.timeout !== 'none',
        ledBefore: new Map(before?.ledBefore),
        complete: false,
      };
      const isFirst = !this.paused;
      if (isFirst) this.#holder.waits.begin();
      // Armed before the first PAUSE: if this process stalls in between, the end comes all the same.
      this.#holds.put(hold);
      try {
        await this.#holder.pauseAll(hold, order.timeout, primary, signal);
      } catch (error) {
        throw await this.#takenBack(hold, error);
      }
      hold.complete = true;
      if (before?.complete !== true) this.begun.add(kindOfPause(reason));
      this.#log.info(events.pgbouncerPaused, { reason, expiry: describeEnd(order.endsAt) });
      this.#tell();
      this.#lookIn(FIRST_LOOK);
    });
  }

  /**
   * Ends one reason. Clients go on when it was the last one.
   * @returns whether they do
   */
  release(reason: PauseReason, signal: AbortSignal): Promise<'running' | 'held'> {
    this.#interruptLook();
    return this.#inTurn(async () => {
      if (this.#holds.get(reason) === undefined) return this.paused ? 'held' : 'running';
      return await this.#end(reason, signal);
    });
  }

  /**
   * Ends a pause of the failover API; with a target only once the bouncers lead there. Also when it knows
   * of no pause: PgBouncer may have one that somebody else left.
   * @throws PgcmError `refused` when they do not within `timeout`
   */
  async resume(target: Address | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void> {
    if (target !== undefined) {
      const { bouncers, timeout: commandTimeout } = this.#options;
      const hold = this.#holds.get(API);
      const ledBefore = hold?.ledBefore ?? new Map();
      const obstacle = await untilLeadingTo({ bouncers, target, ledBefore, commandTimeout }, timeout, signal);
      if (obstacle !== undefined) throw refusal(target, timeout, obstacle, hold?.endsAt);
    }
    this.#interruptLook();
    await this.#inTurn(async () => {
      if (this.#holds.get(API) !== undefined || !this.paused) await this.#end(API, signal);
    });
  }

  /** A RELOAD has brought the site's server_login_retry back. While paused, the resume sees to that. */
  async afterReload(bouncer: Bouncer, signal: AbortSignal): Promise<void> {
    if (!this.paused) await this.#holder.shortenAgain(bouncer, signal);
  }

  async #end(reason: PauseReason, signal: AbortSignal): Promise<'running' | 'held'> {
    if (this.#holds.size > 1) {
      this.#holds.delete(reason);
      this.#log.info(events.pgbouncerStillPaused, { reason, reasons: this.#holds.reasons });
      this.#tell();
      // This one's looks were interrupted.
      this.#lookIn(FIRST_LOOK);
      return 'held';
    }
    await this.#resumeAll(signal);
    return 'running';
  }

  /** Resumes every bouncer, also when one fails; no reason is left when all run, of a hold when one does. */
  async #resumeAll(signal: AbortSignal): Promise<void> {
    const { havePause } = this.#holds;
    this.#holds.beginToEnd();
    await this.#holder.resumeAll(!havePause, signal);
    this.#holds.clear();
    clearTimeout(this.#nextLook);
    this.#tell();
    if (this.#holder.owes) this.#lookIn(FIRST_LOOK);
  }

  /** One turn a try: a pause that comes while a bouncer is down has to hear so, and not to wait for it. */
  #liftOne(bouncer: Bouncer, signal: AbortSignal): ReturnType<Bouncer['resume']> {
    return this.#inTurn(async () => {
      // What is paused now has its own end.
      if (this.paused) return 'was-not-paused';
      const { timeout } = this.#options;
      return await runWithDeadline(`RESUME on ${bouncer.name}`, timeout, signal, (on) => bouncer.resume(on));
    });
  }

  /** All or nothing: one bouncer that runs would write to a primary about to stop. @returns the error to tell */
  async #takenBack(hold: Hold, error: unknown): Promise<unknown> {
    if (this.#holds.size > 1) {
      this.#holds.delete(hold.reason);
      this.#lookIn(0);
      return error;
    }
    try {
      // A signal of its own: the caller's may be what ended the pause.
      await this.#resumeAll(new AbortController().signal);
      return error;
    } catch (left) {
      this.#holds.put({ ...hold, endsAt: monotonic() });
      const code = error instanceof PgcmError ? error.code : 'internal';
      const message = `${describeError(error)}; and letting the clients go on failed, it is tried again until it works`;
      return new PgcmError(code, `${message}: ${describeError(left)}`, { cause: error });
    }
  }

  /** Tries until it is done: a pause that stays is an outage. */
  async #expire(hold: Hold): Promise<void> {
    let told = false;
    await retryForever(
      (signal) => {
        this.#interruptLook();
        return this.#inTurn(async () => {
          // A newer pause, or a resume, took this one's place while it waited for its turn.
          if (this.#holds.get(hold.reason) !== hold) return;
          if (!told) this.#sayExpired(hold);
          told = true;
          await this.#end(hold.reason, signal);
        });
      },
      { min: 100, max: 1_000 },
      this.#lifetime,
      retryTeller(this.#log, 'lifting an expired pause'),
    );
  }

  #sayExpired({ reason }: Hold): void {
    this.expired.add(kindOfPause(reason));
    const text = 'nobody resumed in time: letting the clients go on';
    this.#log.warn(events.pgbouncerPauseExpired, { reason }, text);
  }

  #lookIn(ms: Milliseconds): void {
    clearTimeout(this.#nextLook);
    this.#nextLook = setTimeout(() => void this.#look(), ms);
  }

  #interruptLook(): void {
    this.#looking.abort(CUT_SHORT);
  }

  async #look(): Promise<void> {
    const looking = new AbortController();
    this.#looking = looking;
    await this.#inTurn(async () => {
      if (looking.signal.aborted) return;
      if (!this.paused) await this.#holder.resumeOwed(looking.signal);
      if (this.#holds.completeReasons.length === 0) return;
      await this.#holder.lookAtAll(this.#holds.havePause, looking.signal);
      this.#tell();
    });
    if (this.paused || this.#holder.owes) this.#lookIn(this.#options.lookInterval ?? LOOK_INTERVAL);
  }

  #tell(): void {
    const { clientsWaiting, longest: longestWait } = this.#holder.waits;
    this.news.set({ reasons: this.#holds.completeReasons, clientsWaiting, longestWait });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

function describeEnd(endsAt: Milliseconds): string {
  return Number.isFinite(endsAt) ? formatDuration(Math.max(0, Math.round(endsAt - monotonic()))) : 'never';
}
