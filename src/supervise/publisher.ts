import type { Address } from '../domain/address.js';
import type { ClusterManager, Topology } from '../domain/cluster.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { RouteChange, RouteReading, RouteStore, TopologyOutcome } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { Latest } from '../runtime/latest.js';
import { runServices, type Service } from '../runtime/service-group.js';
import type { Addresses } from './addresses.js';
import type { Wanted } from './decision.js';
import { Looker, type Look } from './looker.js';
import { OwnPromotion, type WatchedRecord, type WatchedRole } from './own-promotion.js';
import { PublisherTeller } from './publisher-teller.js';
import type { Sight } from './topology-publisher.js';

/** Who writes the route, and the view of the cluster that goes with it. */
export interface Herald {
  announce(change: RouteChange, sight: Sight, signal: AbortSignal): Promise<TopologyOutcome>;
  observe(sight: Sight): void;
}

export interface PublisherOptions {
  readonly manager: Pick<ClusterManager, 'localName' | 'look'>;
  readonly addresses: Addresses;
  readonly routes: RouteStore;
  /** Writes a new route; and is told of each look after which none was to be written. */
  readonly herald: Herald;
  readonly role: WatchedRole;
  readonly record: WatchedRecord;
  readonly log: Log;
  /** Between two looks at the cluster manager (pacemaker-poll-interval). */
  readonly pollInterval: Milliseconds;
  /** After a failed write to etcd (host-key-update-retry-interval). */
  readonly retryInterval: Milliseconds;
  /** For one exchange with etcd. */
  readonly etcdTimeout: Milliseconds;
  /** Called at each turn, also one that failed. */
  readonly onTurn?: () => void;
}

/**
 * How long another node than the primary sees the published route differ before it writes it. The
 * primary's own supervise comes first; a view that is only a little late never gets this old.
 */
const OTHERS_WAIT: Milliseconds = 1_000;

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
  readonly #teller: PublisherTeller;
  readonly #looker: Looker;
  readonly #promotion: OwnPromotion;
  /** The key as the watch last told; undefined before the first answer. */
  #published: RouteReading | undefined;
  #publishedAt: Milliseconds | undefined;
  #look: Look | undefined;
  /** The newest that succeeded. */
  #seen: Look | undefined;
  /** Set when there is something to decide anew. */
  readonly #wake = new Latest(0);
  /** Set when that cannot wait until a failed write is tried again. */
  readonly #news = new Latest(0);
  #hurried = false;
  #difference: Difference | undefined;
  #localName: string | undefined;

  constructor(options: PublisherOptions) {
    const { manager, addresses, pollInterval } = options;
    this.#options = options;
    this.#log = options.log;
    this.#teller = new PublisherTeller(options.log);
    this.#promotion = new OwnPromotion(options.role, options.record);
    this.#looker = new Looker({
      manager,
      addresses,
      pollInterval,
      published: () => this.#published,
      onLook: (look) => {
        this.#look = look;
        if (look.outcome.kind === 'seen') this.#seen = look;
        this.#wake.set(this.#wake.value + 1);
      },
    });
  }

  /** The published route as last seen; for those who need its address now. */
  get published(): RouteReading | undefined {
    return this.#published;
  }

  /** When that was first heard of, on the monotonic clock. */
  get publishedAt(): Milliseconds | undefined {
    return this.#publishedAt;
  }

  /** This node's name in the cluster manager; undefined before the first look. */
  get localName(): string | undefined {
    return this.#localName;
  }

  /** The cluster as it was seen no longer ago than `age`. */
  recentLook(age: Milliseconds): Topology | undefined {
    return this.#looker.recent(age);
  }

  /** PostgreSQL here was promoted, and the record says so, which the cluster manager may not do yet. */
  get isConfirmed(): boolean {
    return this.#promotion.isConfirmed;
  }

  /** When the newest look that succeeded began, on the monotonic clock. */
  get lookedAt(): Milliseconds | undefined {
    return this.#looker.lookedAt;
  }

  /** Somebody is about to promote this node. @returns whether it has to be looked for: else the record tells of it */
  expectPromotion(): boolean {
    const { isToldByRecord } = this.#promotion;
    if (isToldByRecord) this.#looker.rest();
    else this.#looker.expect();
    return !isToldByRecord;
  }

  /** Somebody is about to demote this node, and promote another. */
  expectDemotion(): void {
    if (this.#promotion.isToldByRecord) this.#looker.rest();
  }

  /** The role of this node's PostgreSQL changed: decide at once from what is known, and look anew. */
  hurry(): void {
    this.#hurried = true;
    this.#news.set(this.#news.value + 1);
    this.#wake.set(this.#wake.value + 1);
    // Else the turn that follows does it, when it has written what can be written without: to start a
    // program takes longer than that.
    if (this.#look === undefined) this.#looker.hurry();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { routes } = this.#options;
    const onReading = (reading: RouteReading): void => {
      this.#hear(reading);
      this.#news.set(this.#news.value + 1);
      this.#looker.soon();
    };
    const [failure] = await runServices(
      [
        { name: `following ${routes.key}`, run: (on) => routes.follow(onReading, on) },
        this.#looker,
        { name: 'publishing', run: (on) => this.#publishForever(on) },
      ],
      signal,
    );
    if (failure !== undefined) throw failure.error;
  }

  async #publishForever(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { value: wakes } = this.#wake;
      const hurried = this.#hurried;
      this.#hurried = false;
      if (this.#look !== undefined) {
        const settled = await this.#turn(this.#usable(this.#look), signal);
        const waits = !settled && this.#promotion.isToBeConfirmed;
        if (hurried && (settled || waits)) this.#looker.soon();
        else if (hurried) this.#looker.hurry();
        // Whatever becomes of the confirmation, what was hurried for is not done.
        if (hurried && waits) this.#hurried = true;
      }
      this.#options.onTurn?.();
      // What came during the turn is newer than what it decided from, and the wait would not tell of it.
      if (this.#wake.value === wakes) await this.#wake.changed(undefined, signal);
    }
  }

  /** What follows from one look. @returns whether the key is right, as far as is known */
  async #turn(look: Look, signal: AbortSignal): Promise<boolean> {
    const { herald, pollInterval, retryInterval } = this.#options;
    const { value: news } = this.#news;
    let sight: Sight;
    try {
      sight = await this.#decide(look, signal);
    } catch (error) {
      if (!signal.aborted) this.#trouble(events.pacemakerError, describeError(error), pollInterval);
      return false;
    }
    const { topology, wanted } = sight;
    if (wanted.kind === 'keep') {
      this.#trouble(events.pacemakerError, wanted.why, pollInterval);
      this.#difference = undefined;
      herald.observe(sight);
      return false;
    }
    this.#teller.primary(wanted.name);
    try {
      const settled = await this.#publish({ topology, wanted }, look, signal);
      if (settled) herald.observe(sight);
      this.#teller.recovered();
      // What was told during this turn is not settled by it.
      if (settled && this.#news.value === news) this.#looker.settle();
      return settled;
    } catch (error) {
      if (signal.aborted) return false;
      this.#trouble(events.publishError, describeError(error), retryInterval);
      if (this.#news.value === news) await this.#news.changed(retryInterval, signal);
      this.#looker.now();
      return false;
    }
  }

  async #decide({ began, outcome }: Look, signal: AbortSignal): Promise<Sight> {
    if (outcome.kind === 'failed') throw outcome.error;
    this.#localName ??= await this.#options.manager.localName(signal);
    const { topology } = outcome;
    return { topology, wanted: this.#promotion.wanted(topology, began, this.#localName) };
  }

  /** A confirmed promotion waits for no look: the last one that succeeded tells who the members are. */
  #usable(newest: Look): Look {
    return newest.outcome.kind === 'failed' && this.#promotion.isConfirmed ? (this.#seen ?? newest) : newest;
  }

  /** @returns whether the key is right */
  async #publish(
    sight: Sight & { readonly wanted: Extract<Wanted, { kind: 'primary' }> },
    { before, began }: Look,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { addresses, routes, herald, etcdTimeout } = this.#options;
    const { name, early } = sight.wanted;
    const address = await addresses.of(name, signal);
    if (before === undefined) {
      // The watch had not answered yet. This reading is younger than the look: it serves the next turn.
      this.#learn(await this.#read(signal), before);
      return false;
    }
    if (leadsTo(this.#published ?? before, address)) {
      this.#difference = undefined;
      return true;
    }
    const revision = revisionOf(before);
    if (!this.#mayWrite(name, revision)) return false;
    const age = Math.round(monotonic() - began);
    const outcome = await runWithDeadline(`writing ${routes.key}`, etcdTimeout, signal, (on) =>
      herald.announce({ address, expected: revision }, sight, on),
    );
    if (outcome.kind === 'refused') {
      throw new PgcmError(
        'conflict',
        `${outcome.why}; if this cluster was restored to an earlier state, delete the key /pgcm/topology in etcd`,
      );
    }
    if (outcome.kind === 'changed') {
      this.#learn(await this.#read(signal), before);
      return false;
    }
    this.#learn({ kind: 'route', route: { address, revision: outcome.revision } }, before);
    this.#log.info(events.etcdUpdate, {
      addr: address,
      node: name,
      revision: outcome.revision,
      early,
      look_age: formatDuration(age),
    });
    this.#difference = undefined;
    return true;
  }

  /**
   * Takes the answer to a read or a write for the key's state, unless the watch has told something since:
   * that may be somebody else's later write, and the watch does not tell it twice.
   */
  #learn(reading: RouteReading, before: RouteReading | undefined): void {
    if (this.#published === before) this.#hear(reading);
  }

  /** The watch tells of what was written here once more. */
  #hear(reading: RouteReading): void {
    if (this.#published?.kind !== reading.kind || revisionOf(this.#published) !== revisionOf(reading)) {
      this.#publishedAt = monotonic();
    }
    this.#published = reading;
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

  /** What is kept is told with it. */
  #trouble(
    event: typeof events.pacemakerError | typeof events.publishError,
    error: string,
    next: Milliseconds,
  ): void {
    const route = this.#published?.kind === 'route' ? this.#published.route.address : undefined;
    this.#teller.trouble(event, error, { route_kept: route, next_try: formatDuration(next) });
  }
}

function revisionOf(reading: RouteReading): bigint {
  return reading.kind === 'route' ? reading.route.revision : reading.revision;
}

function leadsTo(reading: RouteReading | undefined, address: Address): boolean {
  return reading?.kind === 'route' && reading.route.address === address;
}
