import type { Milliseconds } from '../domain/time.js';
import { monotonic, timerSpan } from '../runtime/clock.js';
import type { Hold } from './holder.js';
import type { PauseReason } from './pause-reasons.js';

/** The reasons to pause that there are now, each with the timer of its end. */
export class Holds {
  readonly #holds = new Map<
    PauseReason,
    { readonly hold: Hold; readonly timer: NodeJS.Timeout | undefined }
  >();
  readonly #onEnd: (hold: Hold) => void;

  /** @param onEnd called when a hold that is still there has reached its end */
  constructor(onEnd: (hold: Hold) => void) {
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#holds.size;
  }

  get reasons(): readonly PauseReason[] {
    return [...this.#holds.keys()];
  }

  /** Those whose pause is complete. */
  get completeReasons(): readonly PauseReason[] {
    return [...this.#holds.values()].filter(({ hold }) => hold.complete).map(({ hold }) => hold.reason);
  }

  /** Whether one of them is more than a hold; see Hold. */
  get havePause(): boolean {
    return [...this.#holds.values()].some(({ hold }) => hold.isPause);
  }

  /** Nobody is paused for them any more who runs, also when they cannot be ended yet. */
  beginToEnd(): void {
    for (const { hold } of this.#holds.values()) hold.complete = false;
  }

  /** When the last of them ends; undefined: there is none. */
  get endsAt(): Milliseconds | undefined {
    const ends = [...this.#holds.values()].map(({ hold }) => hold.endsAt);
    return ends.length === 0 ? undefined : Math.max(...ends);
  }

  get(reason: PauseReason): Hold | undefined {
    return this.#holds.get(reason)?.hold;
  }

  /** In place of the one of the same reason, if there is one. */
  put(hold: Hold): void {
    this.delete(hold.reason);
    this.#holds.set(hold.reason, { hold, timer: this.#timer(hold) });
  }

  delete(reason: PauseReason): void {
    clearTimeout(this.#holds.get(reason)?.timer);
    this.#holds.delete(reason);
  }

  clear(): void {
    for (const reason of this.reasons) this.delete(reason);
  }

  /** They stay, but nothing happens at their end. */
  stopTimers(): void {
    for (const { timer } of this.#holds.values()) clearTimeout(timer);
  }

  #timer(hold: Hold): NodeJS.Timeout | undefined {
    if (hold.endsAt === Number.POSITIVE_INFINITY) return undefined;
    const left: Milliseconds = Math.max(0, hold.endsAt - monotonic());
    return setTimeout(() => this.#onEnd(hold), timerSpan(left));
  }
}
