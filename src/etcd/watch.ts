import { describeError, PgcmError } from '../domain/errors.js';
import { events, type EventName } from '../domain/events.js';
import type { Fields, Log } from '../domain/log.js';
import type { Revision } from '../domain/route.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, sleep } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { backoffDelay, type Backoff } from '../runtime/retry.js';
import type { Etcd } from './client.js';
import type { MemberFailure } from './failure.js';
import type { KeyValue, Range } from './kv.js';
import { View } from './view.js';
import type { Change, WatchStream } from './watch-stream.js';

export interface FollowOptions {
  readonly range: Range;
  /** Between two linearizable reads while the watch is well. */
  readonly pollInterval: Milliseconds;
  /** For one read. */
  readonly getTimeout: Milliseconds;
  readonly log: Log;
  /** Called when the watch was lost, or a read failed. */
  readonly onTrouble?: (() => void) | undefined;
}

export interface Followed {
  readonly kvs: readonly KeyValue[];
  /** The newest revision at which this is known to be true. */
  readonly revision: Revision;
}

/** After trouble. The longest delay is a part of the time that an outage of etcd lasts for us. */
const BACKOFF: Backoff = { min: 20, max: 500 };

/** A watch that lasted so long was well: the next trouble is a new one. */
const STEADY: Milliseconds = 5_000;

/** The same news is logged again after this. */
const REPEAT_LOG: Milliseconds = 60_000;

/**
 * Reports the state of a key, or of all keys under a prefix, at once and whenever it changed: reads,
 * watches from the next revision on, reads every poll interval, and after any trouble reads again and
 * opens a new watch. State, not events: changes that follow each other fast may be reported as one.
 *
 * Ends when the signal is aborted. Trouble with etcd is logged, and never ends it; what `onState`
 * throws does, and the client's being closed (`aborted`).
 */
export async function follow(
  etcd: Etcd,
  options: FollowOptions,
  onState: (state: Followed) => void,
  signal: AbortSignal,
): Promise<void> {
  await new Follower(etcd, options, onState).run(signal);
}

class Follower {
  readonly #etcd: Etcd;
  readonly #options: FollowOptions;
  readonly #onState: (state: Followed) => void;
  readonly #view = new View();
  readonly #logged = new Map<EventName, { readonly text: string; readonly at: Milliseconds }>();
  /** What onState threw. */
  #thrown: { readonly error: unknown } | undefined;

  constructor(etcd: Etcd, options: FollowOptions, onState: (state: Followed) => void) {
    this.#etcd = etcd;
    this.#options = options;
    this.#onState = onState;
  }

  async run(signal: AbortSignal): Promise<void> {
    const aborted = (): boolean => signal.aborted;
    for (let failures = 0; !aborted(); failures += 1) {
      const start = monotonic();
      await this.#session(signal);
      if (this.#thrown !== undefined) throw this.#thrown.error;
      if (aborted()) return;
      this.#etcd.closed.throwIfAborted();
      if (monotonic() - start > STEADY) failures = 0;
      await sleep(backoffDelay(failures, BACKOFF), signal);
    }
  }

  /** One read and one watch, until there is trouble with either, which is logged. */
  async #session(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await this.#watch(await this.#read(stop.signal), stop, signal);
    } catch (error) {
      if (!signal.aborted && !this.#etcd.closed.aborted && this.#thrown === undefined) {
        this.#say('warn', events.pollError, describeError(error), { next: 'trying again' });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      stop.abort();
      if (!signal.aborted) this.#options.onTrouble?.();
    }
  }

  async #watch(from: Revision, stop: AbortController, signal: AbortSignal): Promise<void> {
    const { range } = this.#options;
    const stopped = (): boolean => stop.signal.aborted;
    let due = false;
    const onChanges = (changes: readonly Change[]): void => {
      if (stopped() || !this.#view.apply(changes) || due) return;
      due = true;
      // What arrived together is reported once: when hundreds of proxies answer at the same time, each report
      // is about all of them. It is made also when this watch has ended: the next read would find nothing new.
      setImmediate(() => {
        due = false;
        if (!signal.aborted) this.#report(stop);
      });
    };
    if (stopped()) return;
    let watch;
    try {
      watch = await this.#etcd.watch({ range, from: from + 1n }, onChanges, stop.signal);
    } catch (error) {
      if (!stopped()) this.#say('warn', events.watchEnd, describeError(error), { next: 'reading' });
      return;
    }
    this.#options.log.info(events.watchStart, { key: nameOf(range), revision: from + 1n });
    const polling = this.#poll(stop);
    const ended = await this.#untilTrouble(watch, polling);
    if (ended !== undefined && !stopped()) {
      this.#say('warn', events.watchEnd, describeError(ended), { endpoint: ended.url, next: 'reading' });
    }
    // A read that is under way ends with the signal; its own failure is what stopped the session.
    stop.abort();
    await polling;
  }

  /** @returns why the watch ended; undefined: the session was stopped. @throws PgcmError when a poll failed */
  async #untilTrouble(watch: WatchStream, polling: Promise<undefined>): Promise<MemberFailure | undefined> {
    // A member that does not answer in time says nothing on a watch either, which is found out later.
    const leave = (url: string): void => {
      if (url !== watch.url) watch.close(`its member is slow to answer, calls go to ${url}`);
    };
    const stay = this.#etcd.onMove(leave);
    leave(this.#etcd.url);
    try {
      return await Promise.race([watch.ended, polling]);
    } finally {
      stay();
    }
  }

  /** Reads every poll interval. @throws PgcmError when a read fails, but not for the signal */
  async #poll(stop: AbortController): Promise<undefined> {
    while ((await sleep(this.#options.pollInterval, stop.signal)) === 'elapsed') {
      this.#say('info', events.pollStart, nameOf(this.#options.range));
      try {
        await this.#read(stop.signal);
      } catch (error) {
        if (stop.signal.aborted) return;
        throw error;
      }
    }
  }

  /** @returns the revision from whose successor on a watch misses nothing */
  async #read(signal: AbortSignal): Promise<Revision> {
    const { range, getTimeout } = this.#options;
    const { kvs, revision } = await this.#etcd.readTogether(range, signal, getTimeout);
    if (signal.aborted) throw abortError(signal, nameOf(range));
    switch (this.#view.replace(kvs, revision)) {
      case 'changed':
        this.#report();
        break;
      case 'stale':
        // The watch was faster, which is well; or etcd was restored from a backup, which is not.
        this.#say('warn', events.staleRevision, `${revision} is older than ${this.#view.asOf}`, {
          key: nameOf(range),
        });
        break;
      case 'same':
    }
    if (this.#thrown !== undefined) throw new PgcmError('internal', 'the reader of the state failed');
    return revision;
  }

  #report(stop?: AbortController): void {
    try {
      this.#onState({ kvs: this.#view.keys, revision: this.#view.asOf });
    } catch (error) {
      // This may run inside a stream's event, where nobody would catch it.
      this.#thrown ??= { error };
      stop?.abort();
    }
  }

  /** Logs, but the same text not again within a minute: an outage is tried twice a second. */
  #say(level: 'info' | 'warn', event: EventName, text: string, fields: Fields = {}): void {
    const last = this.#logged.get(event);
    if (last?.text === text && monotonic() - last.at < REPEAT_LOG) return;
    this.#logged.set(event, { text, at: monotonic() });
    const { log } = this.#options;
    if (level === 'info') log.info(event, { key: text, ...fields });
    else log.warn(event, { error: text, repeats: formatDuration(REPEAT_LOG), ...fields });
  }
}

function nameOf(range: Range): string {
  return 'key' in range ? range.key : `${range.prefix}*`;
}
