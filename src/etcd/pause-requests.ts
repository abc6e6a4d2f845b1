import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Revision } from '../domain/route.js';
import type { HeldLock, PauseRequests } from '../domain/stores.js';
import type { PauseRequest } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { pauseRequest } from '../records/pause-request.js';
import type { Etcd } from './client.js';
import { GuardedKey, type GuardedOutcome } from './guarded-key.js';
import { EtcdHeldLock } from './held-lock.js';
import { keys } from './keys.js';
import type { Compare } from './kv.js';
import { lockLostError } from './lock-key.js';
import { follow } from './watch.js';

export interface FollowedStoreOptions {
  /** Between two reads of a follower (etcd-stream-poll-interval). */
  readonly pollInterval: Milliseconds;
  /** For one read (etcd-get-timeout). */
  readonly getTimeout: Milliseconds;
}

/** The pause request of a switchover in etcd: written under its lock's lease, so it ends with the run. */
export class EtcdPauseRequests implements PauseRequests {
  readonly #etcd: Etcd;
  readonly #options: FollowedStoreOptions;
  readonly #log: Log;
  readonly #guarded: GuardedKey;

  constructor(etcd: Etcd, options: FollowedStoreOptions, log: Log) {
    this.#etcd = etcd;
    this.#options = options;
    this.#log = log.with({ key: keys.request });
    this.#guarded = new GuardedKey(etcd, keys.request);
  }

  async read(signal: AbortSignal): Promise<PauseRequest | undefined> {
    const { kvs } = await this.#etcd.read({ key: keys.request }, signal, this.#options.getTimeout);
    return kvs[0] && pauseRequest.parse(kvs[0].value, keys.request);
  }

  async follow(onRequest: (request: PauseRequest | undefined) => void, signal: AbortSignal): Promise<void> {
    let last: { readonly request: PauseRequest | undefined } | undefined;
    await follow(
      this.#etcd,
      { ...this.#options, range: { key: keys.request }, log: this.#log },
      ({ kvs }) => {
        const request = kvs[0] && this.#understood(kvs[0].value);
        if (request === undefined && last !== undefined && last.request === undefined) return;
        last = { request };
        onRequest(request);
      },
      signal,
    );
  }

  async write(request: PauseRequest, held: HeldLock, signal: AbortSignal): Promise<Revision> {
    const lock = ownLock(held);
    const value = pauseRequest.serialise(request);
    const { revision } = await this.#withLock(lock, signal, (guard) =>
      this.#guarded.put({ value, lease: lock.lease, guard }, signal),
    );
    return revision;
  }

  async clear(held: HeldLock, signal: AbortSignal): Promise<boolean> {
    const lock = ownLock(held);
    const before = await this.#guarded.read(signal);
    await this.#withLock(lock, signal, (guard) => this.#guarded.remove(guard, signal));
    return before !== undefined;
  }

  /** @throws PgcmError `lock-lost` naming who has it now */
  async #withLock(
    lock: EtcdHeldLock,
    signal: AbortSignal,
    change: (guard: readonly Compare[]) => Promise<GuardedOutcome>,
  ): Promise<Extract<GuardedOutcome, { kind: 'done' }>> {
    for (;;) {
      lock.lost.throwIfAborted();
      const outcome = await change([{ key: lock.key, createRevision: lock.revision }]);
      if (outcome.kind === 'done') return outcome;
      const { kvs } = await this.#etcd.getPrefix(lock.prefix, signal);
      const own = kvs.find((kv) => kv.key === lock.key && kv.createRevision === lock.revision);
      if (own === undefined) throw lockLostError(this.#etcd.name, lock.key, kvs);
    }
  }

  #understood(value: Buffer): PauseRequest | undefined {
    try {
      return pauseRequest.parse(value, keys.request);
    } catch (error) {
      this.#log.warn(events.badValue, { error: describeError(error) }, 'taken for no request');
      return undefined;
    }
  }
}

function ownLock(held: HeldLock): EtcdHeldLock {
  if (held instanceof EtcdHeldLock) return held;
  throw new PgcmError('internal', 'a lock that is not in etcd cannot guard a write to etcd');
}
