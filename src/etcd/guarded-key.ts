import type { Revision } from '../domain/route.js';
import type { Etcd, LeaseId } from './client.js';
import type { Compare, KeyValue, Operation } from './kv.js';

export interface GuardedWrite {
  readonly value: string;
  readonly lease?: LeaseId | undefined;
  /** What else has to be true. */
  readonly guard?: readonly Compare[];
  /** What else is written with it. */
  readonly also?: readonly Operation[];
}

export type GuardedOutcome =
  | { readonly kind: 'done'; readonly revision: Revision }
  /** The guard was not true. */
  | { readonly kind: 'guarded' };

/**
 * A key that is written only over what is known of it. So a write whose answer was lost can be tried
 * again, also on another member, and one that reaches etcd late (through a member that was frozen)
 * cannot undo what was written after it: writes here are never in doubt, and one round trip each as
 * long as nobody else writes the key.
 *
 * One write at a time.
 */
export class GuardedKey {
  readonly key: string;
  readonly #etcd: Etcd;
  /** The revision of its last change as far as we know; 0n: it does not exist. */
  #known: Revision | undefined;

  constructor(etcd: Etcd, key: string) {
    this.#etcd = etcd;
    this.key = key;
  }

  /** The revision of the last write here, or what was learned since. */
  get known(): Revision | undefined {
    return this.#known;
  }

  async read(signal: AbortSignal): Promise<KeyValue | undefined> {
    const { kv } = await this.#etcd.get(this.key, signal);
    this.#known = kv?.modRevision ?? 0n;
    return kv;
  }

  /** @throws PgcmError `unavailable`, `timed-out`, `aborted`: whether it was written shows the next write */
  async put(
    { value, lease, guard = [], also = [] }: GuardedWrite,
    signal: AbortSignal,
  ): Promise<GuardedOutcome> {
    const bytes = Buffer.from(value);
    const put = { put: this.key, value: bytes, ...(lease === undefined ? {} : { lease }) };
    const ours = (kv: KeyValue | undefined): boolean =>
      kv !== undefined && kv.lease === (lease ?? 0n) && kv.value.equals(bytes);
    return this.#change([put, ...also], guard, ours, signal);
  }

  /** Done also when there is none. */
  async remove(guard: readonly Compare[], signal: AbortSignal): Promise<GuardedOutcome> {
    return this.#change([{ delete: this.key }], guard, (kv) => kv === undefined, signal);
  }

  async #change(
    then: readonly Operation[],
    guard: readonly Compare[],
    isDone: (kv: KeyValue | undefined) => boolean,
    signal: AbortSignal,
  ): Promise<GuardedOutcome> {
    for (;;) {
      if (this.#known === undefined) await this.read(signal);
      const before = this.#known ?? 0n;
      const compare = [...guard, { key: this.key, modRevision: before }];
      const { succeeded, revision } = await this.#etcd.repeatableTxn({ compare, then }, signal);
      if (succeeded) {
        this.#known = 'delete' in (then[0] ?? {}) ? 0n : revision;
        return { kind: 'done', revision };
      }
      const kv = await this.read(signal);
      // An earlier try of this call was applied after all; somebody else wrote the key; or it is the guard.
      const now = this.#known;
      if (now !== before && isDone(kv)) return { kind: 'done', revision: kv?.modRevision ?? revision };
      if (now === before) return { kind: 'guarded' };
    }
  }
}
