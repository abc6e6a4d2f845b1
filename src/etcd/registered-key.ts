import type { Revision } from '../domain/route.js';
import type { Milliseconds } from '../domain/time.js';
import { backoffDelay, type Backoff } from '../runtime/retry.js';
import type { KeyValue } from './kv.js';

/** Two processes with one name must not write over each other without a pause. */
const TAKEN: Backoff = { min: 1_000, max: 10_000 };

/**
 * What we wrote of a registration under one lease, and what its watch tells: whether it has to be written
 * again. The watch may tell of our own write before its answer is there, so both are only compared.
 */
export class RegisteredKey {
  #written: { readonly text: string; readonly revision: Revision } | undefined;
  #seen: { readonly kv: KeyValue | undefined; readonly revision: Revision } | undefined;
  #takenSince: Milliseconds | undefined;
  #timesTaken = 0;

  get isWritten(): boolean {
    return this.#written !== undefined;
  }

  /** Somebody else's value is there. */
  get isTaken(): boolean {
    return this.#isAstray() && this.#seen?.kv !== undefined;
  }

  see(kv: KeyValue | undefined, revision: Revision): void {
    this.#seen = { kv, revision };
  }

  wrote(text: string, revision: Revision): void {
    if (this.isTaken) this.#timesTaken += 1;
    this.#takenSince = undefined;
    this.#written = { text, revision };
  }

  /** @returns how long to wait before `text` is written; undefined: it is there */
  dueIn(text: string, now: Milliseconds): Milliseconds | undefined {
    if (this.#written?.text !== text) return 0;
    if (!this.#isAstray()) return undefined;
    if (!this.isTaken) return 0;
    this.#takenSince ??= now;
    return Math.max(0, this.#takenSince + backoffDelay(this.#timesTaken, TAKEN) - now);
  }

  #isAstray(): boolean {
    if (this.#written === undefined || this.#seen === undefined) return false;
    const { kv, revision } = this.#seen;
    return revision >= this.#written.revision && kv?.modRevision !== this.#written.revision;
  }
}
