import type { Milliseconds } from '../domain/time.js';
import { formatDuration } from '../runtime/durations.js';
import { patientTimer } from '../runtime/patience.js';

/** The other side is asked for a sign of life this often. */
const INTERVAL: Milliseconds = 2_000;
/** It has so long to give one: far more than a healthy member needs, so that a busy one is not left. */
const TIMEOUT: Milliseconds = 1_500;

/** Asks the other side of a stream whether it is there: a frozen member keeps its connection open and says nothing. */
export class SignOfLife {
  readonly #ask: () => void;
  readonly #onSilence: (text: string) => void;
  #next: NodeJS.Timeout | undefined;
  #patience: (() => void) | undefined;
  /** Before version 3.4 etcd does not know the question: silence says something only after an answer. */
  #answers = false;

  constructor(ask: () => void, onSilence: (text: string) => void) {
    this.#ask = ask;
    this.#onSilence = onSilence;
  }

  /** Begins to ask, if it has not yet. */
  start(): void {
    if (this.#next === undefined) this.#probe();
  }

  /** Something came. */
  heard(isAnswer: boolean): void {
    this.#answers ||= isAnswer;
    this.#patience?.();
    this.#patience = undefined;
  }

  stop(): void {
    clearTimeout(this.#next);
    this.#patience?.();
  }

  #probe(): void {
    this.#next = setTimeout(() => this.#probe(), INTERVAL);
    this.#ask();
    if (!this.#answers || this.#patience !== undefined) return;
    this.#patience = patientTimer(TIMEOUT, () =>
      this.#onSilence(`the watch is silent for ${formatDuration(TIMEOUT)}`),
    );
  }
}
