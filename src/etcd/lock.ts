import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { FailoverLock, HeldLock, LockHolder } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { lockHolder } from '../records/lock-holder.js';
import { abortError } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import type { Etcd } from './client.js';
import { EtcdHeldLock } from './held-lock.js';
import type { KeyValue } from './kv.js';
import { Lease } from './lease.js';
import { describeOwner, lockKey, lockPrefix, ownerOf } from './lock-key.js';
import { follow } from './watch.js';

/** How long the lock outlives a holder that died. */
const TTL: Milliseconds = 10_000;

/** While waiting: a watch tells at once, this is for the case that it does not. */
const POLL_INTERVAL: Milliseconds = 2_000;

/**
 * The failover lock: etcd's mutex recipe under the key of the primary, so that switchovers of pgcm and
 * of pgsql-cluster-manager exclude each other. See lock-key.ts for the keys.
 */
export class EtcdFailoverLock implements FailoverLock {
  readonly #etcd: Etcd;
  readonly #masterKey: string;
  readonly #log: Log;
  readonly #ttl: Milliseconds;

  /** @param ttl whole seconds: etcd counts leases in them */
  constructor(etcd: Etcd, masterKey: string, log: Log, ttl = TTL) {
    this.#etcd = etcd;
    this.#masterKey = masterKey;
    this.#log = log;
    this.#ttl = ttl;
  }

  async acquire(holder: LockHolder, signal: AbortSignal): Promise<HeldLock> {
    for (;;) {
      const lease = await Lease.grant(this.#etcd, this.#ttl / 1_000, signal);
      try {
        return await this.#acquireWith(lease, holder, signal);
      } catch (error) {
        const failure = await this.#giveUp(lease, error);
        // The lease ended while we waited (etcd was away for long): with it our place in the queue.
        if (!hasCode(failure, 'lock-lost') || signal.aborted) throw failure;
        this.#log.warn(events.etcdError, { error: failure.message, next: 'queueing for the lock again' });
      }
    }
  }

  async #acquireWith(lease: Lease, holder: LockHolder, signal: AbortSignal): Promise<HeldLock> {
    const key = lockKey(this.#masterKey, lease.id);
    // Nobody else writes this key, so it may be tried again: "it exists" then means that it is ours.
    await this.#etcd.repeatableTxn(
      {
        compare: [{ key, createRevision: 0n }],
        then: [{ put: key, value: lockHolder.serialise(holder), lease: lease.id }],
      },
      signal,
    );
    const own = await this.#turn(key, lease, signal);
    return new EtcdHeldLock(this.#etcd, lease, own, this.#log);
  }

  /** Waits until our key is the oldest. @throws PgcmError `lock-held`, `lock-lost` when the lease ended */
  async #turn(key: string, lease: Lease, signal: AbortSignal): Promise<KeyValue> {
    const { lost } = lease;
    const done = new AbortController();
    const stop = (): void => done.abort();
    const seen = { queue: [] as readonly KeyValue[], gone: false };
    const onState = ({ kvs }: { readonly kvs: readonly KeyValue[] }): void => {
      const before = ownerOf(seen.queue)?.key;
      seen.queue = kvs;
      seen.gone = !kvs.some((kv) => kv.key === key);
      const owner = ownerOf(kvs);
      if (seen.gone || owner?.key === key) stop();
      else if (owner !== undefined && owner.key !== before) this.#sayWaiting(owner);
    };
    for (const end of [signal, lost]) end.addEventListener('abort', stop, { once: true });
    if (signal.aborted || lost.aborted) stop();
    const options = {
      range: { prefix: lockPrefix(this.#masterKey) },
      pollInterval: POLL_INTERVAL,
      getTimeout: this.#etcd.timeout,
      log: this.#log,
    };
    await follow(this.#etcd, options, onState, done.signal);
    for (const end of [signal, lost]) end.removeEventListener('abort', stop);

    const owner = ownerOf(seen.queue);
    if (lease.lost.aborted) throw lostError(lease);
    if (owner?.key === key) return owner;
    if (seen.gone) throw new PgcmError('lock-lost', `${this.#etcd.name}: ${key} was deleted by somebody`);
    throw this.#heldError(owner, signal);
  }

  #sayWaiting(owner: KeyValue): void {
    this.#log.info(events.etcdLockAcquire, { key: this.#masterKey, holder: describeOwner(owner) }, 'waiting');
  }

  #heldError(owner: KeyValue | undefined, signal: AbortSignal): PgcmError {
    const what = `${this.#etcd.name}: the failover lock under ${this.#masterKey}`;
    if (owner === undefined) return abortError(signal, what);
    return new PgcmError(
      'lock-held',
      `${what} is held by ${describeOwner(owner)}: wait for it to end; if it died, the lock is free once its lease has ended`,
      { cause: signal.reason },
    );
  }

  /** Leaves the queue. @returns the error, with what could not be cleaned up */
  async #giveUp(lease: Lease, error: unknown): Promise<unknown> {
    try {
      // The caller's signal is likely to be aborted by now; the client's own deadline ends this.
      await lease.release(new AbortController().signal);
      return error;
    } catch (cleanup) {
      const left = `our place in the queue could not be taken back, it ends by itself within ${formatDuration(lease.ttl)}`;
      return new PgcmError(
        error instanceof PgcmError ? error.code : 'internal',
        `${describeError(error)}; ${left}: ${describeError(cleanup)}`,
        { cause: error },
      );
    }
  }
}

function lostError(lease: Lease): PgcmError {
  const reason: unknown = lease.lost.reason;
  return reason instanceof PgcmError ? reason : new PgcmError('lock-lost', describeError(reason));
}
