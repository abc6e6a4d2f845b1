import type { Milliseconds } from '../domain/time.js';
import { abortError, runWithDeadline } from '../runtime/deadline.js';
import { Latest } from '../runtime/latest.js';

/**
 * Something in etcd that is followed while clients wait for it to change: the watch is open before it is
 * needed, as opening it costs two round trips.
 */
export class Watched<T> {
  readonly #what: string;
  readonly #latest = new Latest<{ readonly value: T } | undefined>(undefined);
  readonly #stop = new AbortController();
  readonly #following: Promise<void>;

  constructor(what: string, follow: (onValue: (value: T) => void, signal: AbortSignal) => Promise<void>) {
    this.#what = what;
    this.#following = follow((value) => this.#latest.set({ value }), this.#stop.signal);
    // Nobody may be waiting for it at the moment when it fails: close() tells.
    this.#following.catch(() => undefined);
  }

  /** The newest value. @throws PgcmError `timed-out` when none came */
  async first(timeout: Milliseconds, signal: AbortSignal): Promise<T> {
    return await runWithDeadline(`reading ${this.#what}`, timeout, signal, (on) =>
      this.until((value) => ({ value }), on).then(({ value }) => value),
    );
  }

  /**
   * Waits until `test` finds what it looks for, in the newest value and in each one after it.
   * @throws what `test` throws; the signal's reason
   */
  async until<R>(test: (value: T) => R | undefined, signal: AbortSignal): Promise<R> {
    for (;;) {
      const now = this.#latest.value;
      const found = now === undefined ? undefined : test(now.value);
      if (found !== undefined) return found;
      if ((await this.#latest.changed(undefined, signal)) === 'aborted') {
        throw abortError(signal, `waiting for ${this.#what}`);
      }
    }
  }

  get newest(): T | undefined {
    return this.#latest.value?.value;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }
}
