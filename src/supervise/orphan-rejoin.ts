import type { Located, Topology } from '../domain/cluster.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Mandate } from '../domain/mandate.js';
import type { RejoinOrder, RejoinOutcome } from '../domain/node-api.js';
import type { Postgres } from '../domain/postgres.js';
import type { HistoryStore, LockView } from '../domain/stores.js';
import type { SwitchoverReport } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline, sleep } from '../runtime/deadline.js';
import type { Service } from '../runtime/service-group.js';

export interface OrphanRejoinOptions {
  readonly lock: Pick<LockView, 'owner'>;
  readonly history: Pick<HistoryStore, 'list'>;
  readonly postgres: Pick<Postgres, 'state'>;
  readonly rejoin: {
    run(order: RejoinOrder, pass: () => Promise<void>, signal: AbortSignal): Promise<RejoinOutcome>;
  };
  /** Returns while no switchover holds the lock. */
  readonly pass: (signal: AbortSignal) => Promise<void>;
  readonly localName: (signal: AbortSignal) => Promise<string>;
  readonly recentLook: (age: Milliseconds) => Topology | undefined;
  readonly locate: (member: string, signal: AbortSignal) => Promise<Located>;
  readonly log: Log;
  /** For one exchange with etcd. */
  readonly etcdTimeout: Milliseconds;
  /** Between two looks; by default 5 s. */
  readonly interval?: Milliseconds;
}

const INTERVAL: Milliseconds = 5_000;
/** What the cluster manager said within this time is taken for what is so. */
const RECENT: Milliseconds = 5_000;
/** For PostgreSQL to start as a standby. */
const REJOIN_TIMEOUT: Milliseconds = 30_000;
/** A switchover that left the lock, and in so long nothing to be mended here, is forgotten. */
const PATIENCE: Milliseconds = 120_000;

/** A switchover that was seen to move the primary away from here. */
interface Served {
  readonly switchover: string;
  /** Since when it holds the lock no more; undefined while it does. */
  gone: Milliseconds | undefined;
}

/**
 * The rejoin of a switchover that died, or lost its lock, before it could ask for it. Else the old primary
 * would stay down, which the next switchover refuses. Its data are proven not to have diverged, as always.
 * Known is what this process was asked for: the checkpoint, and the move where this node was asked for it.
 */
export class OrphanRejoin implements Service {
  readonly name = 'orphan-rejoin';
  readonly #options: OrphanRejoinOptions;
  #served: Served | undefined;
  #lastTrouble = '';

  constructor(options: OrphanRejoinOptions) {
    this.#options = options;
  }

  /**
   * That switchover is about to move the primary away from here. One that does not want it back replaces an
   * earlier one that did.
   */
  serves({ switchover, noRejoin }: Pick<Mandate, 'switchover' | 'noRejoin'>): void {
    this.#served = noRejoin === true ? undefined : { switchover, gone: undefined };
  }

  async run(signal: AbortSignal): Promise<void> {
    while ((await sleep(this.#options.interval ?? INTERVAL, signal)) === 'elapsed') {
      const served = this.#served;
      if (served === undefined) continue;
      try {
        const done = await this.#look(served, signal);
        // A later switchover may have come meanwhile.
        if (done && this.#served === served) this.#served = undefined;
        this.#lastTrouble = '';
      } catch (error) {
        if (!signal.aborted) this.#trouble(describeError(error));
        if (this.#served === served && overdue(served)) this.#served = undefined;
      }
    }
  }

  /** @returns whether nothing is left to be done for that switchover */
  async #look(served: Served, signal: AbortSignal): Promise<boolean> {
    const { lock, history, etcdTimeout } = this.#options;
    const bounded = <T>(what: string, work: (on: AbortSignal) => Promise<T>): Promise<T> =>
      runWithDeadline(what, etcdTimeout, signal, work);
    // Whoever holds the lock decides, also when that is another switchover.
    if ((await bounded('reading the failover lock', (on) => lock.owner(on))) !== undefined) return false;
    served.gone ??= monotonic();
    const { reports } = await bounded('reading the reports', (on) => history.list(on));
    if (reports.some((report) => report.id === served.switchover && settled(report))) return true;
    const overlong = overdue(served);
    switch (await this.#role(signal)) {
      case 'standby':
        return true;
      case 'primary':
        // Its move may be under way.
        return overlong;
      case 'down':
        return (await this.#rejoin(served, signal)) || overlong;
    }
  }

  async #role(signal: AbortSignal): Promise<'primary' | 'standby' | 'down'> {
    try {
      return (await this.#options.postgres.state(signal)).inRecovery ? 'standby' : 'primary';
    } catch (error) {
      if (signal.aborted) throw error;
      return 'down';
    }
  }

  /** @returns false while it is not known whom to follow */
  async #rejoin({ switchover }: Served, signal: AbortSignal): Promise<boolean> {
    const { rejoin, pass, localName, recentLook, locate, log } = this.#options;
    const finding = recentLook(RECENT)?.primary;
    if (finding?.kind !== 'one' || finding.name === (await localName(signal))) return false;
    const primary = await locate(finding.name, signal);
    log.warn(
      events.rejoinStart,
      { switchover, primary: primary.name },
      'the switchover that moved the primary away from here did not bring PostgreSQL back: looking whether that is safe',
    );
    // How it ends is logged by the rejoin itself.
    await rejoin.run({ primary, timeout: REJOIN_TIMEOUT }, () => pass(signal), signal);
    return true;
  }

  #trouble(error: string): void {
    if (error === this.#lastTrouble) return;
    this.#lastTrouble = error;
    this.#options.log.warn(events.rejoinEnd, { error }, 'PostgreSQL here is not brought back yet');
  }
}

function overdue({ gone }: Served): boolean {
  return gone !== undefined && monotonic() - gone > PATIENCE;
}

/** It came to its rejoin, and that went well, or was not wanted. */
function settled({ steps }: SwitchoverReport): boolean {
  return steps.some(({ name, error }) => name === 'rejoin' && error === '');
}
