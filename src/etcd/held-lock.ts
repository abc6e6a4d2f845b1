import { PgcmError } from '../domain/errors.js';
import type { Log } from '../domain/log.js';
import type { Revision } from '../domain/route.js';
import type { HeldLock } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import type { Etcd, LeaseId } from './client.js';
import type { KeyValue } from './kv.js';
import type { Lease } from './lease.js';
import { follow } from './watch.js';

/** The lock's key can vanish while its lease lives: somebody deleted it. */
const POLL_INTERVAL: Milliseconds = 2_000;

/** A failover lock that we have: lost with its lease, or with its key. */
export class EtcdHeldLock implements HeldLock {
  /** For transactions that must not be made without the lock: they compare its create revision. */
  readonly key: string;
  readonly revision: Revision;
  readonly #lease: Lease;
  readonly #lost = new AbortController();
  readonly #stop = new AbortController();
  readonly #following: Promise<void>;

  constructor(etcd: Etcd, lease: Lease, own: KeyValue, log: Log) {
    this.key = own.key;
    this.revision = own.createRevision;
    this.#lease = lease;
    const { lost } = lease;
    const onLost = (): void => this.#lose(lost.reason);
    if (lost.aborted) onLost();
    else lost.addEventListener('abort', onLost, { once: true });
    const options = { range: { key: own.key }, pollInterval: POLL_INTERVAL, getTimeout: etcd.timeout, log };
    this.#following = follow(
      etcd,
      options,
      ({ kvs }) => {
        if (kvs[0]?.createRevision === this.revision) return;
        this.#lose(new PgcmError('lock-lost', `${etcd.name}: the lock's key ${this.key} was deleted`));
      },
      this.#stop.signal,
    ).catch((error: unknown) => this.#lose(error));
  }

  /** Under which the lock's key is, and whatever is to end with it. */
  get lease(): LeaseId {
    return this.#lease.id;
  }

  /** Of the keys of all contenders. */
  get prefix(): string {
    return this.key.slice(0, this.key.lastIndexOf('/') + 1);
  }

  /** See Lease.lost: get it anew before each act that needs the lock. */
  get lost(): AbortSignal {
    this.#lease.check();
    return this.#lost.signal;
  }

  async release(signal: AbortSignal): Promise<void> {
    this.#stop.abort();
    await this.#following;
    await this.#lease.release(signal);
  }

  #lose(reason: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#lost.abort(reason);
    this.#stop.abort();
  }
}
