import { timerSpan } from './clock.js';

/**
 * A value that changes, with a wait for the next change. State, not events: a reader that was busy
 * finds the newest value, however many it missed.
 */
export class Latest<T> {
  #value: T;
  #waiting: (() => void)[] = [];

  constructor(initial: T) {
    this.#value = initial;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /**
   * Resolves at the next set, when `ms` have passed, or when the signal is aborted; says which.
   * Check `value` before the wait, in the same turn: a set between two awaits is not reported again.
   */
  changed(ms: number | undefined, signal: AbortSignal): Promise<'changed' | 'timed-out' | 'aborted'> {
    return nextOf([this], ms, signal);
  }

  /** Calls `wake` at the next set, once. @returns what takes that back */
  onNext(wake: () => void): () => void {
    this.#waiting.push(wake);
    return () => (this.#waiting = this.#waiting.filter((other) => other !== wake));
  }
}

/** What can be waited for of a Latest, whatever its values are. */
type Changing = Pick<Latest<unknown>, 'onNext'>;

/** The wait for the next change of any of them; see Latest.changed. */
export async function anyChanged(
  latests: readonly Changing[],
  signal: AbortSignal,
): Promise<'changed' | 'aborted'> {
  return (await nextOf(latests, undefined, signal)) === 'aborted' ? 'aborted' : 'changed';
}

/** The same for `ms` at most. */
export function anyChangedWithin(
  latests: readonly Changing[],
  ms: number,
  signal: AbortSignal,
): Promise<'changed' | 'timed-out' | 'aborted'> {
  return nextOf(latests, ms, signal);
}

/** Leaves nothing behind, neither on the signal nor on those that did not change: such waits are made for years. */
function nextOf(
  latests: readonly Changing[],
  ms: number | undefined,
  signal: AbortSignal,
): Promise<'changed' | 'timed-out' | 'aborted'> {
  if (signal.aborted) return Promise.resolve('aborted');
  return new Promise((resolve) => {
    const done = (how: 'changed' | 'timed-out' | 'aborted'): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const takeBack of listening) takeBack();
      resolve(how);
    };
    const onAbort = (): void => done('aborted');
    const timer = ms === undefined ? undefined : setTimeout(() => done('timed-out'), timerSpan(ms));
    signal.addEventListener('abort', onAbort, { once: true });
    const listening = latests.map((latest) => latest.onNext(() => done('changed')));
  });
}
