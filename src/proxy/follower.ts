import type { Address } from '../domain/address.js';
import { LOGIN_RETRY_WHILE_PAUSED, type Bouncer } from '../domain/bouncer.js';
import type { Leads } from '../domain/bouncer-config.js';
import { hasCode, PgcmError } from '../domain/errors.js';
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

/** Brings one PgBouncer to where its config file leads. */
export class Follower {
  readonly bouncer: Bouncer;
  /** The last change of the file that this PgBouncer was told of. */
  #generation = 0;
  /** server_login_retry was short when a RELOAD began, and may not be any more. */
  #loginRetryWasShort = false;

  constructor(bouncer: Bouncer) {
    this.bouncer = bouncer;
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
    await this.#reload(signal);
    this.#generation = goal.generation;
    await this.#verify(goal, signal);
    return 'reloaded';
  }

  /**
   * RELOAD brings back the file's server_login_retry. While a pause is on it was made short, and has
   * to stay so: else one failed login after the pause costs clients 15 s.
   */
  async #reload(signal: AbortSignal): Promise<void> {
    try {
      const before = await this.bouncer.setting('server_login_retry', signal);
      this.#loginRetryWasShort ||= before === LOGIN_RETRY_WHILE_PAUSED;
      await this.bouncer.reload(signal);
      if (!this.#loginRetryWasShort) return;
      await this.bouncer.set('server_login_retry', LOGIN_RETRY_WHILE_PAUSED, signal);
      this.#loginRetryWasShort = false;
    } catch (error) {
      // When a newer route cut in, its own RELOAD follows at once and has to know. Otherwise this is
      // forgotten: who pauses sets it again before the resume.
      if (!hasCode(error, 'aborted')) this.#loginRetryWasShort = false;
      throw error;
    }
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
