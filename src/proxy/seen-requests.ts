import type { Revision } from '../domain/route.js';
import type { PauseRequest } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';

/** A request of a switchover, since it was first seen here. */
export interface SeenRequest {
  /** On the monotonic clock; a later phase does not change it. */
  readonly endsAt: Milliseconds;
  /** Its pause has come about, or failed: it is not tried again. */
  isDecided: boolean;
  /** The route's revision from which its clients may run, once it was told. */
  release: Revision | undefined;
  /** Its clients shall run, whatever comes. */
  isLetGo: boolean;
}

/** So many are remembered: a run that is long over may be read once more after etcd was restored. */
const REMEMBERED = 32;

export class SeenRequests {
  readonly #seen = new Map<string, SeenRequest>();

  see({ id, duration, release }: PauseRequest, at: Milliseconds): void {
    const known = this.#seen.get(id);
    if (known !== undefined) {
      known.release = release ?? known.release;
      return;
    }
    const endsAt = duration === 'never' ? Number.POSITIVE_INFINITY : at + duration;
    this.#seen.set(id, { endsAt, isDecided: false, release, isLetGo: false });
    const [oldest] = this.#seen.keys();
    if (oldest !== undefined && this.#seen.size > REMEMBERED) this.#seen.delete(oldest);
  }

  get(id: string): SeenRequest | undefined {
    return this.#seen.get(id);
  }
}
