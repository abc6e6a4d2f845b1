import type { FoundLock, LockView } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { parseHolder } from '../records/lock-holder.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, sleep } from '../runtime/deadline.js';
import type { Etcd, LeaseId } from './client.js';
import type { KeyValue } from './kv.js';
import { lockPrefix, ownerOf } from './lock-key.js';

const LOOK_INTERVAL: Milliseconds = 250;

/** etcd tells what is left of a lease in whole seconds. */
const GRAIN: Milliseconds = 1_100;

/** The failover lock as those see it who do not hold it. */
export class EtcdLockView implements LockView {
  readonly #etcd: Etcd;
  readonly #masterKey: string;

  constructor(etcd: Etcd, masterKey: string) {
    this.#etcd = etcd;
    this.#masterKey = masterKey;
  }

  async owner(signal: AbortSignal): Promise<FoundLock | undefined> {
    const { kvs } = await this.#etcd.getPrefix(lockPrefix(this.#masterKey), signal);
    const owner = ownerOf(kvs);
    if (owner === undefined) return undefined;
    return { holder: parseHolder(owner.value), revision: owner.createRevision, key: owner.key };
  }

  async removeDead(lock: FoundLock, signal: AbortSignal): Promise<'removed' | 'gone' | 'alive'> {
    const kv = await this.#find(lock, signal);
    if (kv === undefined) return 'gone';
    const lease = kv.lease === 0n ? 'ended' : await this.#watchLease(kv.lease, signal);
    if (lease === 'renewed') return 'alive';
    // A lease that has ended takes its keys along; a key that is left was put without one.
    const compare = [{ key: lock.key, createRevision: lock.revision }];
    const then = [{ delete: lock.key }];
    const { succeeded } = await this.#etcd.repeatableTxn({ compare, then }, signal);
    return succeeded ? 'removed' : 'gone';
  }

  async #find(lock: FoundLock, signal: AbortSignal): Promise<KeyValue | undefined> {
    const { kv } = await this.#etcd.get(lock.key, signal);
    return kv?.createRevision === lock.revision ? kv : undefined;
  }

  /**
   * A holder that lives renews its lease each third of its time to live, ours as well as the one of etcd's
   * Go client. So one that is not renewed within a half of it has nobody any more.
   */
  async #watchLease(lease: LeaseId, signal: AbortSignal): Promise<'renewed' | 'ended' | 'silent'> {
    const begun = monotonic();
    let earliest = Infinity;
    do {
      const sentAt = monotonic();
      const left = await this.#etcd.leaseTimeToLive(lease, signal);
      if (left === undefined) return 'ended';
      // Counted on our clock; the second look at an unrenewed lease finds the same end, but for the grain.
      earliest = Math.min(earliest, monotonic() + left.remaining);
      if (sentAt + left.remaining > earliest + GRAIN) return 'renewed';
      if (monotonic() - begun > left.granted / 2) return 'silent';
    } while ((await sleep(LOOK_INTERVAL, signal)) === 'elapsed');
    throw abortError(
      signal,
      `${this.#etcd.name}: finding out whether lease ${lease.toString(16)} is renewed`,
    );
  }
}
