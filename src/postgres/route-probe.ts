import type { Address } from '../domain/address.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import type { LifeProbe, ProbeFinding, RouteProbe } from '../domain/route-probe.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { findingOf } from './finding.js';
import { ProbeSession, type ProbeAnswer, type ProbeLogin } from './probe-session.js';

export interface PostgresRouteProbeOptions extends ProbeLogin {
  /** For one question, the connection included; by default 1 s. */
  readonly timeout?: Milliseconds;
  /**
   * Whether the connection of `find` is kept for the next question: a PostgreSQL that dies is noticed by its end.
   * By default it is not.
   */
  readonly keeps?: boolean;
}

const TIMEOUT: Milliseconds = 1_000;

/**
 * What a kept connection may take of that: the rest is for a new one, as an old one may lead nowhere. And what the new one
 * may take when the kept one was ended by the other side: PgBouncer's were, too, and it answers with errors meanwhile. And what
 * the question after a silence may take, as statements hang until the second silence is heard.
 */
const SHARE = 0.3;

/** Asks the PostgreSQL at the route's address whether it takes writes. */
export class PostgresRouteProbe implements RouteProbe, LifeProbe {
  readonly #options: PostgresRouteProbeOptions;
  #kept: ProbeSession | undefined;
  /** The next question has less patience. */
  #isPressed = false;
  #onEnd: () => void = () => undefined;

  constructor(options: PostgresRouteProbeOptions) {
    this.#options = options;
  }

  /** @param onEnd called when the kept connection was ended by the other side */
  watch(onEnd: () => void): void {
    this.#onEnd = onEnd;
  }

  async takesWrites(address: Address, signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#askAnew(address, this.#timeout, signal, false)).kind === 'writes';
    } catch (error) {
      if (error instanceof PgcmError) throw error;
      throw new PgcmError('unavailable', `${this.#what(address)}: ${describeError(error)}; see probe-user`, {
        cause: error,
      });
    }
  }

  async find(address: Address, signal: AbortSignal): Promise<ProbeFinding> {
    let isPressed = false;
    try {
      const kept = await this.#askKept(address, signal);
      isPressed = this.#isPressed;
      this.#isPressed = false;
      const limit = this.#timeout * (isPressed ? SHARE : 1);
      const answer = kept ?? (await this.#askAnew(address, limit, signal, true));
      return this.#findingOf(answer, address);
    } catch (error) {
      const finding = findingOf(error);
      // The second word on it comes soon; a third one waits as long as the first, as an answer may just be slow.
      if (finding.kind === 'silent' && !isPressed) this.#isPressed = true;
      return finding;
    }
  }

  #findingOf(answer: ProbeAnswer, address: Address): ProbeFinding {
    switch (answer.kind) {
      case 'writes':
        return { kind: 'writes' };
      case 'read-only':
        return { kind: 'read-only', why: `PostgreSQL at ${address} takes no writes` };
      case 'not-asked': {
        const { user, database } = this.#options;
        const setting = `default_transaction_read_only is on for role ${user} in database ${database}`;
        // Says nothing of other clients, and would hold all of them.
        return { kind: 'accepts', trouble: `${setting} (pg_settings.source: ${answer.source})` };
      }
    }
  }

  close(): void {
    this.#kept?.destroy();
    this.#kept = undefined;
  }

  /** @returns undefined when there is none, or it has failed: that says nothing yet */
  async #askKept(address: Address, signal: AbortSignal): Promise<ProbeAnswer | undefined> {
    const kept = this.#kept;
    if (kept?.isOpen !== true || kept.address !== address) {
      this.close();
      return undefined;
    }
    try {
      const limit = this.#timeout * SHARE;
      return await runWithDeadline(this.#what(address), limit, signal, () => kept.ask());
    } catch (error) {
      // Its answer may still come: it must not be taken for the next one's.
      this.close();
      if (hasCode(error, 'aborted')) throw error;
      return undefined;
    }
  }

  async #askAnew(
    address: Address,
    limit: Milliseconds,
    signal: AbortSignal,
    mayKeep: boolean,
  ): Promise<ProbeAnswer> {
    const session = new ProbeSession(this.#options, address, () => {
      if (this.#kept !== session) return;
      this.#isPressed = true;
      this.#onEnd();
    });
    let keep = false;
    try {
      const answer = await runWithDeadline(this.#what(address), limit, signal, async () => {
        await session.connect();
        return await session.ask();
      });
      // What a login may do is settled when it begins: another one must find out when that was mended.
      const isWorthIt = answer.kind !== 'not-asked';
      keep = isWorthIt && mayKeep && this.#options.keeps === true && session.isOpen;
      if (keep) this.#kept = session;
      return answer;
    } finally {
      if (!keep) session.destroy();
    }
  }

  get #timeout(): Milliseconds {
    return this.#options.timeout ?? TIMEOUT;
  }

  #what(address: Address): string {
    const { port, user } = this.#options;
    return `asking PostgreSQL at ${address}, port ${port}, as ${user} whether it takes writes`;
  }
}
