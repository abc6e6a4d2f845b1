import type { Revision } from '../domain/route.js';
import type { KeyValue } from './kv.js';
import type { Change } from './watch-stream.js';

/**
 * What is known of some keys, fed by reads and by watches that overtake each other. One filter by
 * revision: what was known at a revision is never replaced by anything older.
 */
export class View {
  #asOf: Revision = -1n;
  #keys = new Map<string, KeyValue>();

  /** The newest revision at which the keys are known. */
  get asOf(): Revision {
    return this.#asOf;
  }

  get keys(): readonly KeyValue[] {
    return [...this.#keys.values()];
  }

  /** Takes all keys as read at `revision` (of the answer's header). */
  replace(keys: readonly KeyValue[], revision: Revision): 'changed' | 'same' | 'stale' {
    if (revision < this.#asOf) return 'stale';
    const first = this.#asOf < 0n;
    const same =
      keys.length === this.#keys.size &&
      keys.every(({ key, modRevision }) => this.#keys.get(key)?.modRevision === modRevision);
    this.#asOf = revision;
    this.#keys = new Map(keys.map((kv) => [kv.key, kv]));
    return same && !first ? 'same' : 'changed';
  }

  /** Takes the changes that are newer than what is known. @returns whether there were any */
  apply(changes: readonly Change[]): boolean {
    // Changes of one transaction share a revision, so all are compared with what was known before.
    const known = this.#asOf;
    let changed = false;
    for (const change of changes) {
      const revision = change.kind === 'put' ? change.kv.modRevision : change.modRevision;
      if (revision <= known) continue;
      changed = true;
      if (change.kind === 'put') this.#keys.set(change.kv.key, change.kv);
      else this.#keys.delete(change.key);
      // Not the header's revision: that may be ahead of changes that are still on their way.
      if (revision > this.#asOf) this.#asOf = revision;
    }
    return changed;
  }
}
