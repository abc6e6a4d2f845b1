import type { ClusterManager } from '../domain/cluster.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { RouteReading, RouteStore } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { Latest } from '../runtime/latest.js';
import { runServices, type Service } from '../runtime/service-group.js';
import { wantedPrimary, type LocalRole, type Wanted } from './decision.js';

/** What is seen of this node's own PostgreSQL. */
export interface WatchedRole extends LocalRole {
  /** The cluster manager says that it is the primary: its promotion has nothing more to tell. */
  settle(): void;
}

export interface PublisherOptions {
  readonly manager: ClusterManager;
  readonly routes: RouteStore;
  readonly role: WatchedRole;
  readonly log: Log;
  /** Between two looks at the cluster manager (pacemaker-poll-interval). */
  readonly pollInterval: Milliseconds;
  /** After a failed write to etcd (host-key-update-retry-interval). */
  readonly retryInterval: Milliseconds;
  /** For one exchange with etcd. */
  readonly etcdTimeout: Milliseconds;
}

/**
 * How long another node than the primary sees the published route differ before it writes it. The
 * primary's own supervise comes first; a view that is only a little late never gets this old.
 */
const OTHERS_WAIT: Milliseconds = 1_000;

/** After a promotion was noticed here, looks follow each other this fast, for so long. */
const HASTE_INTERVAL: Milliseconds = 30;
const HASTE: Milliseconds = 10_000;

interface Difference {
  readonly name: string;
  readonly revision: bigint;
  readonly since: Milliseconds;
}

/** Publishes the primary that the cluster manager chose: looks, compares, writes when it differs. */
export class Publisher implements Service {
  readonly name = 'publisher';
  readonly #options: PublisherOptions;
  readonly #log: Log;
  /** The key as the watch last told; undefined before the first answer. */
  readonly #published = new Latest<RouteReading | undefined>(undefined);
  /** Set to look at once. */
  readonly #nudge = new Latest(0);
  #hasteUntil: Milliseconds = 0;
  #difference: Difference | undefined;
  #primary: string | undefined;
  #lastTrouble = '';
  #localName: string | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** The published route as last seen; for those who need its address now. */
  get published(): RouteReading | undefined {
    return this.#published.value;
  }

  /** Look now, and often for a while: the role of this node's PostgreSQL changed. */
  hurry(): void {
    this.#hasteUntil = monotonic() + HASTE;
    this.#nudge.set(this.#nudge.value + 1);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { routes } = this.#options;
    const onReading = (reading: RouteReading): void => {
      this.#published.set(reading);
      this.#nudge.set(this.#nudge.value + 1);
    };
    const [failure] = await runServices(
      [
        { name: `following ${routes.key}`, run: (on) => routes.follow(onReading, on) },
        { name: 'publishing', run: (on) => this.#publishForever(on) },
      ],
      signal,
    );
    if (failure !== undefined) throw failure.error;
  }

  async #publishForever(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const nudges = this.#nudge.value;
      const delay = await this.#turn(signal);
      // News that came during the turn are younger than its look, and the wait would not tell of them.
      if (this.#nudge.value === nudges) await this.#nudge.changed(delay, signal);
    }
  }

  /** One look, and what follows from it. @returns the time until the next one */
  async #turn(signal: AbortSignal): Promise<Milliseconds> {
    const { pollInterval, retryInterval } = this.#options;
    const { value: nudges } = this.#nudge;
    await this.#keepOwnAddress(signal);
    let wanted: Wanted;
    let before: RouteReading | undefined;
    try {
      // Taken before the look, and compared when writing: so a view from before somebody else's write
      // can never be published over that write, however long this process was frozen in between.
      before = this.#published.value;
      wanted = await this.#look(signal);
    } catch (error) {
      // Interrupted: nothing is wrong.
      if (!signal.aborted) this.#trouble(events.pacemakerError, describeError(error), pollInterval);
      return this.#untilNextLook();
    }
    if (wanted.kind === 'keep') {
      this.#trouble(events.pacemakerError, wanted.why, pollInterval);
      this.#difference = undefined;
      return this.#untilNextLook();
    }
    this.#sayPrimary(wanted.name);
    try {
      const settled = await this.#publish(wanted, before, signal);
      this.#recovered();
      // A role change that was told during this turn is not settled by it.
      if (settled && this.#nudge.value === nudges) this.#hasteUntil = 0;
      return this.#untilNextLook();
    } catch (error) {
      if (!signal.aborted) this.#trouble(events.publishError, describeError(error), retryInterval);
      return retryInterval;
    }
  }

  async #look(signal: AbortSignal): Promise<Wanted> {
    const { manager, role } = this.#options;
    this.#localName ??= await manager.localName(signal);
    // The role is read before the look: a look that is older than the promotion would prove nothing.
    const promotedHere = role.promotedHere;
    const wanted = wantedPrimary(await manager.look(signal), this.#localName, { promotedHere });
    // From here on the cluster manager's word counts: when it takes the role away again, a PostgreSQL
    // that was stopped a moment ago must not be published because of its promotion long before.
    if (wanted.kind === 'primary' && !wanted.early && wanted.name === this.#localName) role.settle();
    return wanted;
  }

  /** So that it is known already in the moment in which this node becomes the primary. */
  async #keepOwnAddress(signal: AbortSignal): Promise<void> {
    if (this.#localName === undefined || this.#inHaste()) return;
    // What keeps it from being found out is said where the address is needed.
    await this.#options.manager.addressOf(this.#localName, signal).catch(() => undefined);
  }

  /** @returns whether the key is right */
  async #publish(
    { name, early }: Extract<Wanted, { kind: 'primary' }>,
    before: RouteReading | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { manager, routes, etcdTimeout } = this.#options;
    const address = await manager.addressOf(name, signal);
    if (before === undefined) {
      // The watch has not answered yet. This reading is younger than the look: it serves the next turn.
      this.#learn(await this.#read(signal), before);
      return false;
    }
    if (before.kind === 'route' && before.route.address === address) {
      this.#difference = undefined;
      return true;
    }
    const revision = before.kind === 'route' ? before.route.revision : before.revision;
    if (!this.#mayWrite(name, revision)) return false;
    const outcome = await runWithDeadline(`writing ${routes.key}`, etcdTimeout, signal, (on) =>
      routes.publish(address, revision, on),
    );
    if (outcome.kind === 'changed') {
      this.#learn(await this.#read(signal), before);
      return false;
    }
    this.#learn({ kind: 'route', route: { address, revision: outcome.revision } }, before);
    this.#log.info(events.etcdUpdate, { addr: address, node: name, revision: outcome.revision, early });
    this.#difference = undefined;
    return true;
  }

  /**
   * Takes the answer to a read or a write for the key's state, unless the watch has told something since:
   * that may be somebody else's later write, and the watch does not tell it twice.
   */
  #learn(reading: RouteReading, before: RouteReading | undefined): void {
    if (this.#published.value === before) this.#published.set(reading);
  }

  #read(signal: AbortSignal): Promise<RouteReading> {
    const { routes, etcdTimeout } = this.#options;
    return runWithDeadline(`reading ${routes.key}`, etcdTimeout, signal, (on) => routes.read(on));
  }

  /** The primary's own node writes at once; the others when they saw the same difference for a while. */
  #mayWrite(name: string, revision: bigint): boolean {
    if (name === this.#localName) return true;
    const now = monotonic();
    if (this.#difference?.name !== name || this.#difference.revision !== revision) {
      this.#difference = { name, revision, since: now };
    }
    return now - this.#difference.since >= OTHERS_WAIT;
  }

  #untilNextLook(): Milliseconds {
    return this.#inHaste() ? HASTE_INTERVAL : this.#options.pollInterval;
  }

  #inHaste(): boolean {
    return monotonic() < this.#hasteUntil;
  }

  #sayPrimary(name: string): void {
    if (this.#primary === name) return;
    this.#log.info(events.nodeChange, { node: name, previous: this.#primary });
    this.#primary = name;
  }

  /** Each distinct trouble once, with what is kept and what comes next. */
  #trouble(
    event: typeof events.pacemakerError | typeof events.publishError,
    error: string,
    next: Milliseconds,
  ): void {
    if (this.#lastTrouble === error) return;
    this.#lastTrouble = error;
    const reading = this.#published.value;
    const route = reading?.kind === 'route' ? reading.route.address : undefined;
    this.#log.warn(event, { error, route_kept: route, next_try: formatDuration(next) });
  }

  #recovered(): void {
    if (this.#lastTrouble === '') return;
    this.#log.info(events.publishRecovered, { node: this.#primary, after: this.#lastTrouble });
    this.#lastTrouble = '';
  }
}
