import type { Address } from '../domain/address.js';
import type { Bouncer } from '../domain/bouncer.js';
import { hasCode } from '../domain/errors.js';
import type { NodeApi, PauseOrder } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';

/** Who pauses where no proxy does: supervise's own keeper. */
export interface Keeper {
  readonly paused: boolean;
  pause(order: PauseOrder, primary: Address | undefined, signal: AbortSignal): Promise<void>;
  resume(target: Address | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void>;
}

export interface LocalBouncersOptions {
  /** The control socket of the proxy on this node. */
  readonly proxy: Pick<NodeApi, 'healthCheck' | 'pause' | 'resume'>;
  readonly keeper: Keeper;
  readonly bouncers: readonly Bouncer[];
  /** The published route's address. */
  readonly primary: () => Address | undefined;
}

/** A proxy that runs says so at once; its health check also asks its PgBouncers. */
const PROXY_TIMEOUT: Milliseconds = 2_000;

/**
 * This node's PgBouncers. A proxy that runs here is their one owner, so it is asked to pause and to
 * resume; where none runs, supervise does it itself.
 */
export class LocalBouncers {
  readonly #options: LocalBouncersOptions;

  constructor(options: LocalBouncersOptions) {
    this.#options = options;
  }

  get all(): readonly Bouncer[] {
    return this.#options.bouncers;
  }

  get primary(): Address | undefined {
    return this.#options.primary();
  }

  /** @throws PgcmError `timed-out` when a transaction stayed open; then nothing is paused */
  async pause(order: PauseOrder, signal: AbortSignal): Promise<void> {
    const { proxy, keeper } = this.#options;
    const done = await asked(() => proxy.pause(order, undefined, signal));
    if (!done) await keeper.pause(order, this.primary, signal);
  }

  /** @throws PgcmError `refused` when the bouncers do not lead to the target within `timeout` */
  async resume(target: Address | undefined, timeout: Milliseconds, signal: AbortSignal): Promise<void> {
    const { proxy, keeper } = this.#options;
    // A pause of our own, from before a proxy was started here, is ours to lift.
    if (keeper.paused) await keeper.resume(target, timeout, signal);
    const done = await asked(() => proxy.resume(target, timeout, undefined, signal));
    // Also when nothing is known to be paused: it may be left from before a restart.
    if (!done) await keeper.resume(target, timeout, signal);
  }

  /** The id of the proxy that runs here; empty when none does. @throws PgcmError when one is there that does not answer */
  async proxyId(signal: AbortSignal): Promise<string> {
    let id = '';
    await asked(async () => {
      id = (await this.#options.proxy.healthCheck(PROXY_TIMEOUT, signal)).node;
    });
    return id;
  }
}

/**
 * Asks the proxy. A proxy that is frozen, or says no, has been asked: nobody else may do it then.
 * @returns false when no proxy listens. One that cannot reach a PgBouncer answers with the same code;
 *   then neither can we, and say so.
 */
async function asked(ask: () => Promise<void>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch (error) {
    if (hasCode(error, 'unavailable', 'unsupported')) return false;
    throw error;
  }
}
