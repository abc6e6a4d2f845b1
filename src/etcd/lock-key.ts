import { quote } from '../domain/address.js';
import { PgcmError } from '../domain/errors.js';
import { parseHolder } from '../records/lock-holder.js';
import type { LeaseId } from './client.js';
import type { KeyValue } from './kv.js';

/**
 * The keys of etcd's mutex recipe, as the concurrency package of its Go client has them: one key per
 * contender, `<prefix>/<its lease in hexadecimal>`; the lock is its who has the smallest create revision.
 */
export function lockKey(masterKey: string, lease: LeaseId): string {
  return `${lockPrefix(masterKey)}${lease.toString(16)}`;
}

export function lockPrefix(masterKey: string): string {
  return `${masterKey}/`;
}

/** Who has the lock among the contenders' keys. */
export function ownerOf(keys: readonly KeyValue[]): KeyValue | undefined {
  return keys.reduce<KeyValue | undefined>(
    (first, kv) => (first === undefined || kv.createRevision < first.createRevision ? kv : first),
    undefined,
  );
}

/** The holder for a message, with where to find the key; pgsql-cluster-manager leaves no name. */
export function describeOwner(owner: KeyValue): string {
  const holder = parseHolder(owner.value);
  const who =
    holder === undefined
      ? 'somebody who left no name (as pgsql-cluster-manager does not)'
      : `switchover ${quote(holder.id)} on host ${quote(holder.host)}, pid ${holder.pid}, since ${quote(holder.since)}`;
  return `${who} (key ${quote(owner.key)}, since revision ${owner.createRevision}, lease ${owner.lease.toString(16)})`;
}

/** For a run whose key is not among the contenders' any more (or never was the one that it says). */
export function lockLostError(etcd: string, key: string, contenders: readonly KeyValue[]): PgcmError {
  const owner = ownerOf(contenders);
  const now = owner === undefined ? 'nobody holds it' : `it is held by ${describeOwner(owner)}`;
  return new PgcmError(
    'lock-lost',
    `${etcd}: the failover lock ${quote(key)} is not held any more; now ${now}`,
  );
}
