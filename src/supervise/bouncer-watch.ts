import type { Bouncer } from '../domain/bouncer.js';
import { describeError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline, sleep } from '../runtime/deadline.js';
import type { Service } from '../runtime/service-group.js';

export interface BouncerWatchOptions {
  readonly bouncers: readonly Bouncer[];
  /** For one answer (pgbouncer-timeout). */
  readonly timeout: Milliseconds;
  /** Between two looks; by default 5 s. */
  readonly interval?: Milliseconds;
}

export type BouncerNews =
  | { readonly kind: 'unknown' }
  /** `problems`: one text for each PgBouncer that did not answer. */
  | { readonly kind: 'asked'; readonly problems: readonly string[] };

const INTERVAL: Milliseconds = 5_000;

/** Asks this host's PgBouncers whether they can be reached: for readiness. A proxy beside them looks more often. */
export class BouncerWatch implements Service {
  readonly name = 'bouncer-watch';
  readonly #options: BouncerWatchOptions;
  #news: BouncerNews = { kind: 'unknown' };
  #answeredAt: Milliseconds | undefined;

  constructor(options: BouncerWatchOptions) {
    this.#options = options;
  }

  get news(): BouncerNews {
    return this.#news;
  }

  /** When they were asked and all of them answered, the last time. */
  get answeredAt(): Milliseconds | undefined {
    return this.#answeredAt;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { bouncers, interval = INTERVAL } = this.#options;
    do {
      const at = monotonic();
      const answers = await Promise.all(bouncers.map((bouncer) => this.#ask(bouncer, signal)));
      const problems = answers.filter((problem) => problem !== undefined);
      if (problems.length === 0) this.#answeredAt = at;
      this.#news = { kind: 'asked', problems };
    } while ((await sleep(interval, signal)) === 'elapsed');
  }

  async #ask(bouncer: Bouncer, signal: AbortSignal): Promise<string | undefined> {
    const { timeout } = this.#options;
    try {
      await runWithDeadline(bouncer.name, timeout, signal, (on) => bouncer.databases(on));
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  }
}
