import type { ClusterManager } from '../domain/cluster.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { LockView } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline, sleep } from '../runtime/deadline.js';
import type { Service } from '../runtime/service-group.js';

/** Whose move it is when its client named no switchover, as those of pgsql-cluster-manager do not. */
export const UNNAMED = 'unnamed';

export interface JanitorOptions {
  readonly manager: Pick<ClusterManager, 'moves' | 'cancelMove'>;
  readonly lock: Pick<LockView, 'owner'>;
  readonly log: Log;
  /** For one exchange with etcd. */
  readonly etcdTimeout: Milliseconds;
  /** Between two looks; by default 15 s. */
  readonly interval?: Milliseconds;
}

const INTERVAL: Milliseconds = 15_000;

/** Of one look and what follows from it. */
const TIMEOUT: Milliseconds = 30_000;

/**
 * Takes back the moves that dead switchovers left in the cluster manager: those whose switchover does not
 * hold the lock any more. Each node's supervise does it, so that one that lives is enough.
 */
export class Janitor implements Service {
  readonly name = 'janitor';
  readonly #options: JanitorOptions;
  #orphansBefore: ReadonlySet<string> = new Set();
  #lastTrouble = '';
  #seen: { readonly moves: number; readonly at: Milliseconds } | undefined;

  constructor(options: JanitorOptions) {
    this.#options = options;
  }

  /** How many moves were asked for at the last look that succeeded, and when that began. */
  get seen(): { readonly moves: number; readonly at: Milliseconds } | undefined {
    return this.#seen;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { interval = INTERVAL } = this.#options;
    while ((await sleep(interval, signal)) === 'elapsed') {
      try {
        await runWithDeadline('looking for moves that were left', TIMEOUT, signal, (on) => this.#sweep(on));
        this.#lastTrouble = '';
      } catch (error) {
        if (!signal.aborted) this.#trouble(describeError(error));
      }
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { manager, lock, etcdTimeout } = this.#options;
    // The moves first: each was asked for under the lock, so one that is there and whose switchover does
    // not hold the lock afterwards has lost it. The other way round, a switchover could begin in between.
    const at = monotonic();
    const moves = await manager.moves(signal);
    this.#seen = { moves: moves.length, at };
    if (moves.length === 0) {
      this.#orphansBefore = new Set();
      return;
    }
    const owner = await runWithDeadline('reading the failover lock', etcdTimeout, signal, (on) =>
      lock.owner(on),
    );
    const orphans = moves.filter((id) => id !== (owner?.holder?.id ?? (owner && UNNAMED)));
    // Somebody may ask for an unnamed move by hand, without any lock: it has one interval at least.
    const ripe = orphans.filter((id) => id !== UNNAMED || this.#orphansBefore.has(id));
    this.#orphansBefore = new Set(orphans);
    for (const id of ripe) await this.#remove(id, signal);
    if (ripe.length > 0) this.#seen = { moves: moves.length - ripe.length, at };
  }

  async #remove(id: string, signal: AbortSignal): Promise<void> {
    const { manager, log } = this.#options;
    const removed = await manager.cancelMove(id, signal);
    // Another node's supervise may have been faster.
    if (removed.length === 0) return;
    log.warn(
      events.orphanedMove,
      { switchover: id },
      'took back the move of a switchover that holds no lock',
    );
  }

  #trouble(error: string): void {
    if (error === this.#lastTrouble) return;
    this.#lastTrouble = error;
    this.#options.log.warn(
      events.orphanedMove,
      { error },
      'cannot look for moves that dead switchovers left',
    );
  }
}
