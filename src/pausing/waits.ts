import type { Bouncer, BouncerPool } from '../domain/bouncer.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';

interface Look {
  readonly clientsWaiting: number;
  readonly longestWait: Milliseconds;
  readonly at: Milliseconds;
}

/** How long the clients of a pause wait, from looks at the pools. */
export class Waits {
  readonly #looks = new Map<Bouncer, Look>();
  #longest: Milliseconds = 0;

  /** Another pause begins. */
  begin(): void {
    this.#looks.clear();
    this.#longest = 0;
  }

  see(bouncer: Bouncer, pools: readonly BouncerPool[]): void {
    const clientsWaiting = pools.reduce((sum, pool) => sum + pool.clientsWaiting, 0);
    const longestWait = Math.max(0, ...pools.map((pool) => pool.longestWait));
    this.#looks.set(bouncer, { clientsWaiting, longestWait, at: monotonic() });
    this.#longest = Math.max(this.#longest, longestWait);
  }

  /** They go on now: who waited at the last look has waited until here. */
  end(): void {
    for (const { clientsWaiting, longestWait, at } of this.#looks.values()) {
      if (clientsWaiting > 0) this.#longest = Math.max(this.#longest, longestWait + monotonic() - at);
    }
    this.#looks.clear();
  }

  get clientsWaiting(): number {
    return [...this.#looks.values()].reduce((sum, look) => sum + look.clientsWaiting, 0);
  }

  /** In this pause, or in the last one. */
  get longest(): Milliseconds {
    return Math.round(this.#longest);
  }
}
