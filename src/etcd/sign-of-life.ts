import type { Milliseconds } from '../domain/time.js';
import { formatDuration } from '../runtime/durations.js';
import { patientTimer } from '../runtime/patience.js';

/** The other side is asked for a sign of life this often. */
const INTERVAL: Milliseconds = 2_000;
/** It has so long to give one: far more than a healthy member needs, so that a busy one is not left. */
const TIMEOUT: Milliseconds = 1_500;

/** What is known of the other side. Before version 3.4 etcd does not know the question, and never answers. */
export interface Habit {
  answers: 'not-known' | 'yes' | 'never';
}

/** Asks the other side of a stream whether it is there: a frozen member keeps its connection open and says nothing. */
export class SignOfLife {
  readonly #ask: () => void;
  readonly #onSilence: (text: string) => void;
  #next: NodeJS.Timeout | undefined;
  #patience: (() => void) | undefined;
  readonly #habit: Habit;

  constructor(habit: Habit, ask: () => void, onSilence: (text: string) => void) {
    this.#habit = habit;
    this.#ask = ask;
    this.#onSilence = onSilence;
  }

  /** Begins to ask, if it has not yet. */
  start(): void {
    if (this.#next === undefined) this.#probe();
  }

  /** Something came. */
  heard(isAnswer: boolean): void {
    if (isAnswer) this.#habit.answers = 'yes';
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
    if (this.#habit.answers === 'never' || this.#patience !== undefined) return;
    this.#patience = patientTimer(TIMEOUT, () => {
      // Once: a member that was frozen before its first answer is left, an old one is not left for ever.
      if (this.#habit.answers === 'not-known') this.#habit.answers = 'never';
      this.#onSilence(`the watch is silent for ${formatDuration(TIMEOUT)}`);
    });
  }
}
