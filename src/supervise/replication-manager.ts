import type { Address } from '../domain/address.js';
import { describeError } from '../domain/errors.js';
import type { EntitlementReading, EntitlementStore, SeenRecord } from '../domain/entitlement.js';
import type { Log } from '../domain/log.js';
import type { ReplicationControl, ReplicationSession } from '../domain/replication.js';
import type { Milliseconds } from '../domain/time.js';
import { Latest } from '../runtime/latest.js';
import { backoffDelay } from '../runtime/retry.js';
import type { Service } from '../runtime/service-group.js';
import { EntitlementKeeper } from './entitlement-keeper.js';
import { ReplicationTeller } from './replication-teller.js';
import { Standbys } from './standbys.js';

export interface ReplicationManagerOptions {
  readonly store: EntitlementStore;
  /** What this node's resource agent has seen of the record; undefined: nothing. */
  readonly seen: (signal: AbortSignal) => Promise<SeenRecord | undefined>;
  readonly replication: ReplicationControl;
  /** The timeline that this node's PostgreSQL writes; undefined while it is no primary. */
  readonly role: { readonly timeline: number | undefined; now(): void };
  readonly localName: (signal: AbortSignal) => Promise<string>;
  /** A member's address as far as it is known. */
  readonly addressOf: (member: string) => Address | undefined;
  /** sync-standbys */
  readonly wanted: number;
  /** sync-mode */
  readonly strict: boolean;
  readonly log: Log;
  readonly onTurn?: () => void;
  /** The record confirms this node as the primary of a timeline, which it did not before. */
  readonly onConfirmed?: () => void;
}

/** Between two looks at the walsenders. */
const INTERVAL: Milliseconds = 120;
/** Between two looks at whether there is anything to do at all: neither asks anybody. */
const WAITING_FOR_ROLE: Milliseconds = 50;
const IDLE: Milliseconds = 1_000;
/** After PostgreSQL has ended the session: it is known to be no primary by then, or takes a new one. */
const STOPS_WITHIN: Milliseconds = 250;
/** After trouble. */
const RETRY = { min: 100, max: 2_000 } satisfies Record<string, Milliseconds>;

type Own = EntitlementReading & { readonly kind: 'record' };

/**
 * On the node whose PostgreSQL is the primary that the record names: keeps the record of who may be promoted and
 * synchronous_standby_names in step with the standbys that stream. Without a record it does nothing.
 */
export class ReplicationManager implements Service {
  readonly name = 'replication-manager';
  readonly #options: ReplicationManagerOptions;
  readonly #teller: ReplicationTeller;
  readonly #known = new Latest<EntitlementReading | undefined>(undefined);
  #standbys: Standbys | undefined;
  #self = '';
  /** The timeline whose confirmation was told of; undefined: it is not confirmed now. */
  #toldOf: number | undefined;
  #manages = false;

  constructor(options: ReplicationManagerOptions) {
    this.#options = options;
    this.#teller = new ReplicationTeller(options.log);
  }

  /** The record as it is known; undefined: not yet. */
  get known(): EntitlementReading | undefined {
    return this.#known.value;
  }

  /** There is a record, as far as is known here. */
  get exists(): boolean {
    return this.#known.value?.kind === 'record';
  }

  /**
   * The record names this node and the timeline that its PostgreSQL writes, and nobody claims to be next.
   * @param system the identifier of this node's PostgreSQL; undefined while it is not known
   */
  confirms(system: string | undefined): boolean {
    const own = this.#confirmed()?.record;
    return own !== undefined && own.system === system && own.timeline === this.#options.role.timeline;
  }

  /** This node claims the timeline that its PostgreSQL writes. @param system as for `confirms` */
  claims(system: string | undefined): boolean {
    const { value } = this.#known;
    if (value?.kind !== 'record' || value.record.system !== system) return false;
    const { claim } = value.record;
    return claim?.member === this.#self && claim.timeline === this.#options.role.timeline;
  }

  /** Whether this node's PostgreSQL is the primary whose standbys are managed here now. */
  get manages(): boolean {
    return this.#manages;
  }

  /** How long commits have waited for the barrier, in all. */
  get held(): Milliseconds {
    return this.#teller.held;
  }

  async run(signal: AbortSignal): Promise<void> {
    const following = this.#options.store.follow((reading) => this.#learn(reading), signal);
    await Promise.all([following, this.#loop(signal)]);
  }

  #learn(reading: EntitlementReading): void {
    const { value } = this.#known;
    // The watch may tell of a write after a later one of ours was answered.
    if (reading.kind !== 'missing' && reading.revision < (value?.revision ?? 0n)) return;
    this.#known.set(reading);
    this.#tellConfirmed();
    // It was confirmed just now: as what its PostgreSQL was seen a moment ago says nothing.
    if (this.#own() !== undefined && this.#own()?.record.timeline !== this.#options.role.timeline) {
      this.#options.role.now();
    }
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const aborted = (): boolean => signal.aborted;
    for (let failures = 0; !aborted();) {
      this.#options.onTurn?.();
      try {
        if (await this.#isOurs(signal)) await this.#manage(signal, () => (failures = 0));
        else await this.#known.changed(this.#patience(), signal);
      } catch (error) {
        if (aborted()) return;
        this.#teller.trouble(error);
        await this.#known.changed(backoffDelay(failures, RETRY), signal);
        failures += 1;
      }
    }
  }

  #patience(): Milliseconds {
    return this.#own() === undefined ? IDLE : WAITING_FOR_ROLE;
  }

  async #isOurs(signal: AbortSignal): Promise<boolean> {
    if (this.#known.value?.kind !== 'record') return false;
    if (this.#self === '') {
      this.#self = await this.#options.localName(signal);
      this.#tellConfirmed();
    }
    const own = this.#own();
    // On a standby there is neither: two that are undefined are not the same timeline.
    return own !== undefined && own.record.timeline === this.#options.role.timeline;
  }

  /** The record, if it names this member. */
  #own(): Own | undefined {
    const { value } = this.#known;
    return value?.kind === 'record' && value.record.primary === this.#self ? value : undefined;
  }

  /** The same, when nobody claims to be next. */
  #confirmed(): Own | undefined {
    const own = this.#own();
    return own?.record.claim === undefined ? own : undefined;
  }

  #tellConfirmed(): void {
    const timeline = this.#confirmed()?.record.timeline;
    if (timeline !== undefined && timeline !== this.#toldOf) this.#options.onConfirmed?.();
    this.#toldOf = timeline;
  }

  /** As long as the record names this member and the timeline that its PostgreSQL writes. */
  async #manage(signal: AbortSignal, onWell: () => void): Promise<void> {
    const session = await this.#options.replication.connect(signal);
    try {
      if (!this.#isOf(session)) {
        await this.#known.changed(WAITING_FOR_ROLE, signal);
        return;
      }
      await session.lock(signal);
      this.#manages = true;
      this.#teller.begins(session.identity.timeline);
      const keeper = this.#keeper(session);
      while (!signal.aborted) {
        const own = this.#own();
        if (own === undefined || !this.#isOf(session)) break;
        this.#options.onTurn?.();
        const did = await keeper.turn(own, signal);
        onWell();
        if (!did) await this.#known.changed(INTERVAL, signal);
      }
      this.#teller.leaves('the record names another primary or timeline');
    } catch (error) {
      // PostgreSQL is stopped, as in every move: its role says in a moment whether there is anything left to do.
      if (!session.ended || !this.#manages) throw error;
      this.#manages = false;
      this.#teller.leaves(describeError(error));
      await this.#known.changed(STOPS_WITHIN, signal);
    } finally {
      this.#manages = false;
      session.close();
    }
  }

  #keeper(session: ReplicationSession): EntitlementKeeper {
    // What is known of standbys outlives the session: one that could not be entitled is left alone for a while.
    this.#standbys ??= new Standbys(this.#self, this.#options.addressOf, (name, why) =>
      this.#teller.refused(name, why),
    );
    return new EntitlementKeeper(session, {
      ...this.#options,
      self: this.#self,
      standbys: this.#standbys,
      teller: this.#teller,
      onWritten: (own) => this.#learn(own),
    });
  }

  #isOf({ identity }: ReplicationSession): boolean {
    const own = this.#own()?.record;
    return !identity.inRecovery && identity.timeline === own?.timeline && identity.system === own.system;
  }
}
