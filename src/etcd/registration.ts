import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Registration } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { Latest } from '../runtime/latest.js';
import { backoffDelay, retryForever, type Backoff } from '../runtime/retry.js';
import type { Etcd } from './client.js';
import { GuardedKey } from './guarded-key.js';
import type { Operation } from './kv.js';
import { Lease } from './lease.js';
import { RegisteredKey } from './registered-key.js';
import { follow } from './watch.js';

export interface RegistrationOptions<T> {
  readonly key: string;
  readonly serialise: (state: T) => string;
  /** What is written beside it with the first state under each lease. */
  readonly also?: () => readonly Operation[];
  /** How long the key outlives its writer; whole seconds. */
  readonly ttl?: Milliseconds;
}

/** How long a writer that died counts as there. */
const TTL: Milliseconds = 10_000;

/** The longest delay is a part of the time that an outage of etcd lasts for us. */
const BACKOFF: Backoff = { min: 50, max: 500 };

/** Between two reads of our own key, which is watched: for the case that the watch went silent. */
const POLL_INTERVAL: Milliseconds = 60_000;

/**
 * A key under a lease of its own that says what its writer is and does. A state is written at once, one
 * write at a time; those that came meanwhile as one. When the lease was lost, when somebody deleted the
 * key or wrote over it, it is written again.
 */
export class LeasedRegistration<T> implements Registration<T> {
  readonly name: string;
  readonly #etcd: Etcd;
  readonly #options: RegistrationOptions<T>;
  readonly #log: Log;
  readonly #key: GuardedKey;
  /** Set for every reason to look again: another state, or news of the key. */
  readonly #news = new Latest(0);
  /** The state as it is written, serialised when it was set. */
  #wanted: string | undefined;
  #lastTrouble = '';

  constructor(etcd: Etcd, options: RegistrationOptions<T>, log: Log) {
    this.name = `registering ${options.key}`;
    this.#etcd = etcd;
    this.#options = options;
    this.#log = log.with({ key: options.key });
    this.#key = new GuardedKey(etcd, options.key);
  }

  set(state: T): void {
    this.#wanted = this.#options.serialise(state);
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { ttl = TTL } = this.#options;
    for (;;) {
      const granted = await retryForever(
        (on) => Lease.grant(this.#etcd, ttl / 1_000, on),
        BACKOFF,
        signal,
        (error) => this.#trouble(error),
      );
      if (granted === undefined) return;
      await this.#keep(granted.value, signal);
      if (signal.aborted) return;
      this.#etcd.closed.throwIfAborted();
      this.#trouble(granted.value.lost.reason);
    }
  }

  /** Until the lease is lost, or the signal is aborted; then the key is gone. */
  async #keep(lease: Lease, signal: AbortSignal): Promise<void> {
    const { lost } = lease;
    const stop = new AbortController();
    const onEnd = (): void => stop.abort();
    for (const end of [signal, lost]) end.addEventListener('abort', onEnd, { once: true });
    if (signal.aborted || lost.aborted) onEnd();
    const own = new RegisteredKey();
    const options = {
      range: { key: this.#options.key },
      pollInterval: POLL_INTERVAL,
      getTimeout: this.#etcd.timeout,
      log: this.#log,
    };
    const following = follow(
      this.#etcd,
      options,
      (state) => {
        own.see(state.kvs[0], state.revision);
        this.#wake();
      },
      stop.signal,
    );
    await this.#write(lease, own, stop.signal);
    for (const end of [signal, lost]) end.removeEventListener('abort', onEnd);
    // It ends with its signal, and throws when the client was closed: then there is nothing to give up.
    await following.catch(() => undefined);
    if (!lost.aborted) await this.#release(lease);
  }

  async #write(lease: Lease, own: RegisteredKey, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      const { value: news } = this.#news;
      const wanted = this.#wanted;
      const wait = wanted === undefined ? undefined : own.dueIn(wanted, monotonic());
      if (wanted === undefined || wait === undefined || wait > 0) {
        await this.#news.changed(wait, signal);
        continue;
      }
      if (own.isTaken) this.#sayTaken();
      try {
        const also = own.isWritten ? [] : (this.#options.also?.() ?? []);
        const put = { value: wanted, lease: lease.id, also };
        const outcome = await this.#key.put(put, signal);
        // Nothing guards it: the key was made and deleted just now.
        if (outcome.kind === 'guarded') continue;
        if (!own.isWritten) this.#log.info(events.etcdRegistered, { lease: lease.id.toString(16) });
        own.wrote(wanted, outcome.revision);
        failures = 0;
        this.#lastTrouble = '';
      } catch (error) {
        if ((signal as { aborted: boolean }).aborted) return;
        this.#trouble(error);
        const delay = backoffDelay(failures, BACKOFF);
        failures += 1;
        if (this.#news.value === news) await this.#news.changed(delay, signal);
      }
    }
  }

  async #release(lease: Lease): Promise<void> {
    if (this.#etcd.closed.aborted) return;
    try {
      await runWithDeadline(
        `giving up ${this.#options.key}`,
        this.#etcd.timeout,
        new AbortController().signal,
        (on) => lease.release(on),
      );
    } catch (error) {
      const next = `it ends by itself within ${formatDuration(lease.ttl)}`;
      this.#log.warn(events.etcdRegistrationError, { error: describeError(error), next });
    }
  }

  #wake(): void {
    this.#news.set(this.#news.value + 1);
  }

  #sayTaken(): void {
    this.#log.warn(
      events.etcdRegistrationError,
      { error: 'another process writes this key' },
      'give each its own name (proxy-id), or end the other one',
    );
  }

  /** Each distinct trouble once, until a write succeeds. */
  #trouble(error: unknown): void {
    const text = describeError(error);
    if (this.#lastTrouble === text) return;
    this.#lastTrouble = text;
    this.#log.warn(events.etcdRegistrationError, { error: text, next: 'trying again' });
  }
}
