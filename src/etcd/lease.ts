import { describeError, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { sleep } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import type { Etcd, LeaseId } from './client.js';

/** What a lease needs of etcd. */
export type LeaseCalls = Pick<Etcd, 'name' | 'closed' | 'grantLease' | 'keepAlive' | 'revokeLease'>;

/** Between two tries of a keep-alive that failed. */
const RETRY: Milliseconds = 200;

/** The part of the time to live that is relied on. */
const COUNTED = 0.9;

/**
 * A lease that is kept alive until it is released. etcd counts it from the last keep-alive that it
 * got; we count from before the last answered one was sent, on the monotonic clock, and stop a tenth
 * of the time to live earlier: so `lost` always comes before etcd gives the lease's keys to others.
 */
export class Lease {
  readonly id: LeaseId;
  readonly #etcd: LeaseCalls;
  readonly #ttl: Milliseconds;
  readonly #lost = new AbortController();
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** On the monotonic clock: from here on it counts as lost. */
  #goodUntil: Milliseconds;
  #lastError = '';
  #keeping: Promise<void> = Promise.resolve();
  readonly #onClosed = (): void => this.#lose('the client was closed');

  /** @param ttl in seconds. @throws PgcmError when etcd does not grant it */
  static async grant(etcd: LeaseCalls, ttl: number, signal: AbortSignal): Promise<Lease> {
    const sentAt = monotonic();
    const granted = await etcd.grantLease(ttl, signal);
    // etcd may grant more than was asked for; the shorter one is the safe one to count.
    const lease = new Lease(etcd, granted.id, Math.min(ttl, granted.ttl) * 1_000, sentAt);
    lease.#keeping = lease.#keep();
    return lease;
  }

  private constructor(etcd: LeaseCalls, id: LeaseId, ttl: Milliseconds, sentAt: Milliseconds) {
    this.#etcd = etcd;
    this.id = id;
    this.#ttl = ttl;
    this.#goodUntil = sentAt + ttl * COUNTED;
    this.#arm();
    etcd.closed.addEventListener('abort', this.#onClosed, { once: true });
  }

  /**
   * Aborted, with a `lock-lost` error, when the lease may have ended. Get it anew before each act that
   * needs the lease: that looks at the clock. The timer alone can be late in a process that was frozen
   * or busy: answers from the network that came meanwhile may be handled before it.
   */
  get lost(): AbortSignal {
    this.check();
    return this.#lost.signal;
  }

  /** The lease's time to live, the longest that its keys can outlive its holder. */
  get ttl(): Milliseconds {
    return this.#ttl;
  }

  /**
   * Ends the lease and deletes its keys. `lost` is not aborted by this.
   * @throws PgcmError when etcd did not confirm it; the lease then ends by itself
   */
  async release(signal: AbortSignal): Promise<void> {
    this.#end();
    await this.#keeping;
    await this.#etcd.revokeLease(this.id, signal);
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop;
    let delay = this.#ttl / 3;
    while ((await sleep(delay, signal)) === 'elapsed') {
      const sentAt = monotonic();
      try {
        const ttl = await this.#etcd.keepAlive(this.id, signal);
        if (ttl <= 0) {
          this.#lose('etcd says that the lease has ended');
          return;
        }
        this.#extend(sentAt);
        delay = this.#ttl / 3;
      } catch (error) {
        if (signal.aborted) return;
        this.#lastError = describeError(error);
        delay = RETRY;
      }
      if (this.lost.aborted) return;
    }
  }

  #extend(sentAt: Milliseconds): void {
    // An answer that came too late does not revive a lease that was given up.
    this.check();
    if (this.#lost.signal.aborted) return;
    this.#goodUntil = sentAt + this.#ttl * COUNTED;
    this.#lastError = '';
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.check();
        // A timer counts in whole milliseconds, so it may come a little too early.
        if (!this.#stop.signal.aborted) this.#arm();
      },
      Math.max(0, this.#goodUntil - monotonic()) + 1,
    );
  }

  /** Looks at the clock, and aborts `lost` when it is time. */
  check(): void {
    if (this.#stop.signal.aborted || monotonic() < this.#goodUntil) return;
    this.#lose(
      this.#lastError === ''
        ? `this process was held up for ${formatDuration(Math.round(this.#ttl * COUNTED))}`
        : `no keep-alive was answered in time: ${this.#lastError}`,
    );
  }

  /** Nothing is kept alive any more, and no timer holds the process. */
  #end(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#etcd.closed.removeEventListener('abort', this.#onClosed);
  }

  #lose(why: string): void {
    this.#end();
    if (this.#lost.signal.aborted) return;
    this.#lost.abort(
      new PgcmError('lock-lost', `${this.#etcd.name}: lease ${this.id.toString(16)} is lost: ${why}`),
    );
  }
}
