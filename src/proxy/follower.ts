import type { Address } from '../domain/address.js';
import type { Bouncer } from '../domain/bouncer.js';
import type { Leads } from '../domain/bouncer-config.js';
import { PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, sleep } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { findAstray } from './verify.js';

/** After a RELOAD the databases are looked at this often, */
const VERIFY_INTERVAL: Milliseconds = 20;
/** and for this long: a RELOAD that PgBouncer accepted takes milliseconds. */
const VERIFY_LIMIT: Milliseconds = 1_000;

/** What a PgBouncer is to be brought to. */
export interface Goal {
  readonly address: Address;
  readonly leads: Leads;
  /** Counts the changes of the config file that this process made. */
  readonly generation: number;
}

/** A RELOAD has undone what was SET on the console: brings back what has to stay. */
export type AfterReload = (bouncer: Bouncer, signal: AbortSignal) => Promise<void>;

/** Brings one PgBouncer to where its config file leads. */
export class Follower {
  readonly bouncer: Bouncer;
  /** The last change of the file that this PgBouncer was told of. */
  #generation = 0;
  readonly #afterReload: AfterReload | undefined;

  constructor(bouncer: Bouncer, afterReload?: AfterReload) {
    this.bouncer = bouncer;
    this.#afterReload = afterReload;
  }

  /** Nothing is changed. @returns what leads elsewhere, in words @throws PgcmError as Bouncer's */
  async look({ leads, address }: Goal, signal: AbortSignal): Promise<string | undefined> {
    return findAstray(await this.bouncer.databases(signal), leads, address);
  }

  /**
   * RELOAD if the file has changed or the PgBouncer leads elsewhere, and a look whether it helped: its
   * answer is OK also when it could not read the file.
   *
   * @returns whether a RELOAD was needed: a PgBouncer that has just started has read the file itself
   * @throws PgcmError as Bouncer's; `refused` when it still leads elsewhere
   */
  async bring(goal: Goal, signal: AbortSignal): Promise<'reloaded' | 'led-there'> {
    const knows = this.#generation === goal.generation;
    if (knows && (await this.look(goal, signal)) === undefined) return 'led-there';
    await this.bouncer.reload(signal);
    this.#generation = goal.generation;
    await this.#verify(goal, signal);
    await this.#afterReload?.(this.bouncer, signal);
    return 'reloaded';
  }

  async #verify(goal: Goal, signal: AbortSignal): Promise<void> {
    const deadline = monotonic() + VERIFY_LIMIT;
    for (;;) {
      const astray = await this.look(goal, signal);
      if (astray === undefined) return;
      if (monotonic() >= deadline) {
        throw new PgcmError(
          'refused',
          `PgBouncer at ${this.bouncer.name}: ${formatDuration(VERIFY_LIMIT)} after RELOAD ${astray}, ` +
            `not to ${goal.address}; its own log says why it did not take the config file`,
          { retryable: true },
        );
      }
      if ((await sleep(VERIFY_INTERVAL, signal)) === 'aborted') {
        throw abortError(signal, `PgBouncer at ${this.bouncer.name}: verifying a RELOAD`);
      }
    }
  }
}
