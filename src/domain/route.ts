import type { Address } from './address.js';

/** Where clients must go: the primary's address, and the etcd revision that set it. */
export interface Route {
  readonly address: Address;
  /** etcd's mod revision of the key: a larger one is newer. Decimal text, as it may pass 2^53. */
  readonly revision: Revision;
}

/** An etcd revision. A bigint: etcd counts in int64. */
export type Revision = bigint;
