import type { Mandate, MandateCheck } from '../domain/mandate.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline } from '../runtime/deadline.js';

/** A verified mandate is good for this long from when the lock's read began; then it is read again. */
const GOOD_FOR: Milliseconds = 1_000;

/** That a mandate's lock was held a moment ago. */
export interface Granted {
  /**
   * Returns at once while the last read is young, else reads again: this process may have been frozen
   * since. To be asked for right before the act. @throws PgcmError `lock-lost`, `unavailable`, `timed-out`
   */
  stillGood(): Promise<void>;
}

/** Lets through what somebody asks for who holds the failover lock at this moment. */
export class MandateGate {
  readonly #check: MandateCheck;
  /** For one read. */
  readonly #timeout: Milliseconds;

  constructor(check: MandateCheck, timeout: Milliseconds) {
    this.#check = check;
    this.#timeout = timeout;
  }

  /** For an act that follows at once. @throws PgcmError like `Granted.stillGood` */
  async pass(mandate: Mandate | undefined, signal: AbortSignal): Promise<void> {
    await (await this.open(mandate, signal)).stillGood();
  }

  /** For an act that needs preparation, which may run beside this. @throws PgcmError like `Granted.stillGood` */
  async open(mandate: Mandate | undefined, signal: AbortSignal): Promise<Granted> {
    let began = await this.#read(mandate, signal);
    return {
      stillGood: async () => {
        // An etcd so slow that no answer is ever young lets nothing through: the caller's patience ends it.
        while (monotonic() - began > GOOD_FOR) began = await this.#read(mandate, signal);
      },
    };
  }

  /** @returns when the read began: the lock may be lost as soon as etcd has looked */
  async #read(mandate: Mandate | undefined, signal: AbortSignal): Promise<Milliseconds> {
    const began = monotonic();
    await runWithDeadline(
      "reading the failover lock for the request's mandate",
      this.#timeout,
      signal,
      (on) => this.#check.verify(mandate, on),
    );
    return began;
  }
}
