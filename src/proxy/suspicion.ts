import type { Bouncer, BouncerPool, PauseScope } from '../domain/bouncer.js';
import type { PublishedTopology } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { sleep } from '../runtime/deadline.js';
import type { Latest } from '../runtime/latest.js';
import { runServices, type Service } from '../runtime/service-group.js';

export interface SuspicionOptions {
  readonly topology: Latest<PublishedTopology | undefined>;
  readonly bouncers: readonly Bouncer[];
  readonly follows: () => PauseScope;
  /** Somebody holds the clients: that they wait is no news. */
  readonly isHeld: () => boolean;
  readonly onSuspicion: () => void;
  /** Between two looks at the consoles; by default 1 s. */
  readonly interval?: Milliseconds;
}

const INTERVAL: Milliseconds = 1_000;

/** What sounds like trouble with the primary: that it is published as lost, and clients that no server serves. */
export class Suspicion implements Service {
  readonly name = 'suspicion';
  readonly #options: SuspicionOptions;

  constructor(options: SuspicionOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const [failure] = await runServices(
      [
        { name: 'watching for a lost primary', run: (on) => this.#watchTopology(on) },
        { name: 'watching for clients without a server', run: (on) => this.#watchConsoles(on) },
      ],
      signal,
    );
    if (failure !== undefined) throw failure.error;
  }

  async #watchTopology(signal: AbortSignal): Promise<void> {
    const { topology, onSuspicion } = this.#options;
    while (!signal.aborted) {
      if (isLost(topology.value)) onSuspicion();
      await topology.changed(undefined, signal);
    }
  }

  /** A console that does not answer is for others to complain of. */
  async #watchConsoles(signal: AbortSignal): Promise<void> {
    const { bouncers, isHeld, onSuspicion, interval = INTERVAL } = this.#options;
    while ((await sleep(interval, signal)) === 'elapsed') {
      if (isHeld()) continue;
      const pools = await Promise.all(bouncers.map((bouncer) => bouncer.pools(signal).catch(() => [])));
      if (pools.flat().some((pool) => this.#isStranded(pool))) onSuspicion();
    }
  }

  /** As after a failed login: nobody serves them, and PgBouncer waits for its next try. */
  #isStranded({ database, clientsWaiting, servers }: BouncerPool): boolean {
    const follows = this.#options.follows();
    return (follows === 'all' || follows.includes(database)) && clientsWaiting > 0 && servers === 0;
  }
}

export function isLost(topology: PublishedTopology | undefined): boolean {
  return topology?.primary.state === 'lost';
}
