import type { Address } from '../domain/address.js';
import type { Bouncer } from '../domain/bouncer.js';
import { describeError } from '../domain/errors.js';
import type { NodeHealth, NodeService, PauseOrder } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import type { PauseKeeper } from '../pausing/pause-keeper.js';
import { runWithDeadline } from '../runtime/deadline.js';

export interface ControlOptions {
  /** proxy-id */
  readonly id: string;
  readonly bouncers: readonly Bouncer[];
  readonly keeper: Pick<PauseKeeper, 'pause' | 'resume'>;
  /** The verified route's address. */
  readonly primary: () => Address | undefined;
  /** For each console's answer to a health check. */
  readonly timeout: Milliseconds;
}

/**
 * What the supervise beside a proxy may ask of it, over its socket. The caller's mandate was verified by supervise,
 * which alone may connect.
 */
export class ProxyControl implements Pick<NodeService, 'healthCheck' | 'pause' | 'resume'> {
  readonly #options: ControlOptions;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  async healthCheck(signal: AbortSignal): Promise<NodeHealth> {
    const { id, bouncers, timeout } = this.#options;
    const asked = await Promise.allSettled(
      bouncers.map((bouncer) =>
        runWithDeadline(bouncer.name, timeout, signal, (on) => bouncer.databases(on)),
      ),
    );
    const problems = asked.flatMap((one) => (one.status === 'rejected' ? [describeError(one.reason)] : []));
    const healthy = problems.length === 0;
    return { healthy, node: id, parts: [{ part: 'pgbouncer', healthy, message: problems.join('; ') }] };
  }

  async pause(order: PauseOrder, _mandate: unknown, signal: AbortSignal): Promise<void> {
    const { keeper, primary } = this.#options;
    await keeper.pause(order, primary(), signal);
  }

  async resume(
    target: Address | undefined,
    timeout: Milliseconds,
    _mandate: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#options.keeper.resume(target, timeout, signal);
  }
}
