import type { Milliseconds } from '../domain/time.js';
import { monotonic } from './clock.js';
import { formatDuration } from './durations.js';

/** What a turn of a loop may take beside its deadlines, on a machine that is very busy. */
export const STUCK_AFTER: Milliseconds = 30_000;

interface Loop {
  readonly name: string;
  readonly limit: Milliseconds;
  turnedAt: Milliseconds;
}

/**
 * Whether a daemon's loops still turn. Each says so at every turn, also when the turn failed. One that is silent for
 * longer than its turns can take waits for something that never comes: then the service manager is told nothing
 * more, which restarts the daemon, and /healthz says no.
 */
export class Vitals {
  readonly #loops: Loop[] = [];

  /**
   * @param limit longer than any turn can take, its deadlines added up
   * @returns what the loop calls at each turn
   */
  watch(name: string, limit: Milliseconds): () => void {
    const loop: Loop = { name, limit, turnedAt: monotonic() };
    this.#loops.push(loop);
    return () => (loop.turnedAt = monotonic());
  }

  /** Which loop is stuck, and for how long; undefined: all turn. */
  get stuck(): string | undefined {
    const late = this.#loops.find((loop) => monotonic() - loop.turnedAt > loop.limit);
    return late && `${late.name}: nothing has happened for ${formatDuration(silenceOf(late))}`;
  }

  /** Since the last turn of each loop. */
  get silences(): readonly (readonly [name: string, ms: Milliseconds])[] {
    return this.#loops.map((loop) => [loop.name, silenceOf(loop)]);
  }
}

function silenceOf({ turnedAt }: Loop): Milliseconds {
  return Math.round(monotonic() - turnedAt);
}
