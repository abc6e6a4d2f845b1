import { quote } from '../domain/address.js';
import { PgcmError } from '../domain/errors.js';
import type { Mandate, MandateCheck } from '../domain/mandate.js';
import type { Milliseconds } from '../domain/time.js';
import { parseHolder } from '../records/lock-holder.js';
import { monotonic } from '../runtime/clock.js';
import type { Etcd } from './client.js';
import type { KeyValue } from './kv.js';
import { describeOwner, lockPrefix, ownerOf } from './lock-key.js';

/** An answer that was asked for longer ago says nothing of now: this process may have been frozen since. */
const FRESH: Milliseconds = 1_000;

/** What it needs of etcd. */
export type LockCalls = Pick<Etcd, 'name' | 'getPrefix'>;

/** Checks mandates against the failover lock in etcd. */
export class EtcdMandateCheck implements MandateCheck {
  readonly #etcd: LockCalls;
  readonly #masterKey: string;

  constructor(etcd: LockCalls, masterKey: string) {
    this.#etcd = etcd;
    this.#masterKey = masterKey;
  }

  async verify(mandate: Mandate | undefined, signal: AbortSignal): Promise<void> {
    for (;;) {
      const begun = monotonic();
      const { kvs } = await this.#etcd.getPrefix(lockPrefix(this.#masterKey), signal);
      if (monotonic() - begun > FRESH) continue;
      const owner = ownerOf(kvs);
      const refusal = mandate === undefined ? refusalWithout(owner) : refusalOf(mandate, owner);
      if (refusal === undefined) return;
      throw new PgcmError('lock-lost', `${this.#etcd.name}: ${refusal}: nothing was done`);
    }
  }
}

function refusalOf(mandate: Mandate, owner: KeyValue | undefined): string | undefined {
  const asked = `switchover ${quote(mandate.switchover)} does not hold the failover lock any more`;
  if (owner === undefined) return `${asked}, nobody does`;
  const own = owner.createRevision === mandate.lockRevision;
  if (own && parseHolder(owner.value)?.id === mandate.switchover) return undefined;
  return `${asked}, but ${describeOwner(owner)}`;
}

/** An original's run holds the lock itself, and leaves no name in it. */
function refusalWithout(owner: KeyValue | undefined): string | undefined {
  if (owner === undefined || parseHolder(owner.value) === undefined) return undefined;
  return `the failover lock is held by ${describeOwner(owner)}, and the request names no switchover`;
}
