import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Revision } from '../domain/route.js';
import type { HistoryFeed } from '../domain/stores.js';
import { switchoverOutcomes, type SwitchoverReport } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { Latest } from '../runtime/latest.js';
import type { Service } from '../runtime/service-group.js';
import { Tally } from '../runtime/tally.js';

export interface HistoryWatchOptions {
  readonly history: HistoryFeed;
  readonly log: Log;
  /** For one look (etcd-timeout). */
  readonly timeout: Milliseconds;
  /** Between two looks; by default 15 s. */
  readonly interval?: Milliseconds;
  /** After the last question it stops to look; by default 10 min. */
  readonly interest?: Milliseconds;
}

const INTERVAL: Milliseconds = 15_000;
const INTEREST: Milliseconds = 600_000;

/**
 * Counts the switchovers that end while somebody asks for their number. The command that makes one is gone with it,
 * and the history forgets the oldest: so a count starts at 0 with this process and only grows, as a counter has to,
 * and every supervise counts each of them.
 */
export class HistoryWatch implements Service {
  readonly name = 'history-watch';
  readonly outcomes = new Tally<string>(switchoverOutcomes);
  readonly #options: HistoryWatchOptions;
  readonly #asked = new Latest<Milliseconds>(-Infinity);
  #after: Revision | undefined;
  #last: SwitchoverReport | undefined;
  #lastTrouble = '';

  constructor(options: HistoryWatchOptions) {
    this.#options = options;
  }

  /** The newest switchover's report; undefined: there is none, or it was not read yet. */
  get last(): SwitchoverReport | undefined {
    return this.#last;
  }

  /** Somebody wants to know. The answer is there the next time. */
  asked(): void {
    this.#asked.set(monotonic());
  }

  async run(signal: AbortSignal): Promise<void> {
    const { interval = INTERVAL, interest = INTEREST } = this.#options;
    let lookedAt = -Infinity;
    while (!signal.aborted) {
      const wait = lookedAt + interval - monotonic();
      if (monotonic() - this.#asked.value > interest) await this.#asked.changed(undefined, signal);
      else if (wait > 0) await this.#asked.changed(wait, signal);
      else {
        lookedAt = monotonic();
        await this.#look(signal);
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { history, timeout, log } = this.#options;
    try {
      const { reports, revision } = await runWithDeadline('reading the history', timeout, signal, (on) =>
        history.since(this.#after, on),
      );
      if (this.#after !== undefined && revision >= this.#after)
        for (const report of reports) this.#count(report);
      this.#last = reports.at(-1) ?? this.#last;
      this.#after = revision;
      this.#lastTrouble = '';
    } catch (thrown) {
      const error = describeError(thrown);
      if (signal.aborted || error === this.#lastTrouble) return;
      this.#lastTrouble = error;
      log.warn(events.historyError, { error }, 'the metrics of switchovers are not up to date');
    }
  }

  /** What stands there was written by another program: a word that is not known must not become a label. */
  #count({ outcome }: SwitchoverReport): void {
    const known = (switchoverOutcomes as readonly string[]).includes(outcome);
    this.outcomes.add(known ? outcome : 'unexpected');
  }
}
