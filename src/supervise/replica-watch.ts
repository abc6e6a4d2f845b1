import { describeError } from '../domain/errors.js';
import type { Postgres, Replication } from '../domain/postgres.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { sleep } from '../runtime/deadline.js';
import type { Service } from '../runtime/service-group.js';
import type { RoleNews } from './role-watch.js';

export interface ReplicaWatchOptions {
  readonly postgres: Pick<Postgres, 'replication'>;
  readonly role: { readonly news: RoleNews };
  /** Between two questions; by default 500 ms. */
  readonly interval?: Milliseconds;
}

/** How this node's PostgreSQL keeps up as a standby, or why that is not known. */
export type ReplicaNews =
  | { readonly kind: 'unknown'; readonly why: string }
  /** `at`: when it was asked. */
  | { readonly kind: 'known'; readonly replication: Replication; readonly at: Milliseconds };

/** So often that an answer is never as old as the health checks bear. */
const INTERVAL: Milliseconds = 500;

/** Asks this node's PostgreSQL, while it is a standby, how it keeps up: for the health checks. */
export class ReplicaWatch implements Service {
  readonly name = 'replica-watch';
  readonly #options: ReplicaWatchOptions;
  #news: ReplicaNews = { kind: 'unknown', why: 'it was not asked yet' };

  constructor(options: ReplicaWatchOptions) {
    this.#options = options;
  }

  get news(): ReplicaNews {
    return this.#news;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { interval = INTERVAL } = this.#options;
    do await this.#turn(signal);
    while ((await sleep(interval, signal)) === 'elapsed');
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { postgres, role } = this.#options;
    if (role.news.kind !== 'answered' || !role.news.inRecovery) {
      this.#news = { kind: 'unknown', why: 'it was no standby a moment ago' };
      return;
    }
    const at = monotonic();
    try {
      this.#news = { kind: 'known', replication: await postgres.replication(signal), at };
    } catch (error) {
      this.#news = { kind: 'unknown', why: describeError(error) };
    }
  }
}
