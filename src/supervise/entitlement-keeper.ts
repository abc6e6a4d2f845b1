import type { Address } from '../domain/address.js';
import { whyOlder, type EntitlementStore, type SeenRecord } from '../domain/entitlement.js';
import { planFor, standbysOf, type Plan } from '../domain/entitlement-plan.js';
import { PgcmError } from '../domain/errors.js';
import type { ReplicationControl, ReplicationLook, ReplicationSession } from '../domain/replication.js';
import { monotonic } from '../runtime/clock.js';
import { Entitler, type EntitlerOptions, type ReadRecord } from './entitler.js';
import type { ReplicationTeller } from './replication-teller.js';
import type { Standbys } from './standbys.js';
import { WalsenderSilence } from './walsender-silence.js';

export interface EntitlementKeeperOptions {
  readonly self: string;
  readonly store: EntitlementStore;
  readonly seen: (signal: AbortSignal) => Promise<SeenRecord | undefined>;
  readonly replication: ReplicationControl;
  readonly addressOf: (member: string) => Address | undefined;
  readonly standbys: Standbys;
  readonly wanted: number;
  readonly strict: boolean;
  readonly teller: ReplicationTeller;
  readonly onWritten: EntitlerOptions['onWritten'];
}

/** What is done over one session that has the lock, look after look. */
export class EntitlementKeeper {
  readonly #session: ReplicationSession;
  readonly #options: EntitlementKeeperOptions;
  readonly #silence = new WalsenderSilence();
  readonly #entitler: Entitler;

  constructor(session: ReplicationSession, options: EntitlementKeeperOptions) {
    this.#session = session;
    this.#options = options;
    this.#entitler = new Entitler(session, {
      ...options,
      isMember: (walsender) => options.standbys.isMember(walsender),
      onHeld: (ms) => options.teller.heldFor(ms),
    });
  }

  /** @returns whether something was changed, so that there may be more to do at once */
  async turn(own: ReadRecord, signal: AbortSignal): Promise<boolean> {
    const look = await this.#session.look(signal);
    const ended = await this.#endSilent(look, signal);
    if (this.#plan(own, look).kind === 'keep') {
      this.#options.teller.recovered();
      return ended;
    }
    // The record is read under the lock: a predecessor may have written it since we heard of it.
    const read = await this.#read(signal);
    const seen = await this.#session.look(signal);
    const plan = this.#plan(read, seen);
    if (plan.kind === 'keep') return false;
    if (plan.removed.length > 0 && !(await this.#areGone(read, plan, signal))) return false;
    await this.#carryOut(read, plan, seen, signal);
    return true;
  }

  async #carryOut(read: ReadRecord, plan: Plan, look: ReplicationLook, signal: AbortSignal): Promise<void> {
    const { standbys, teller, self } = this.#options;
    if (plan.kind !== 'grow') {
      await this.#entitler.shrink(read, plan, signal);
      teller.changed(plan, self);
      return;
    }
    try {
      await this.#entitler.grow(read, plan, signal);
    } catch (error) {
      // Commits wait at the barrier now: it is settled in the next turn, at once, and without this standby.
      for (const name of plan.added) standbys.failed(name, look, monotonic());
      signal.throwIfAborted();
      teller.trouble(error);
      return;
    }
    for (const name of plan.added) standbys.succeeded(name);
    teller.changed(plan, self);
  }

  #plan({ record }: ReadRecord, look: ReplicationLook): Plan {
    const { wanted, strict } = this.#options;
    const now = monotonic();
    return planFor({
      self: this.#options.self,
      record,
      names: look.names,
      there: this.#options.standbys.there(standbysOf(record, this.#options.self), look, now),
      candidates: this.#options.standbys.candidates(look, now),
      wanted,
      strict,
    });
  }

  /**
   * Only a connection that was opened after they were missed: that it came about proves that the postmaster was alive
   * then. A session that outlives the postmaster sees no walsenders.
   */
  async #areGone(read: ReadRecord, { removed }: Plan, signal: AbortSignal): Promise<boolean> {
    const anew = this.#plan(read, await this.#options.replication.lookAnew(signal));
    return removed.every((name) => anew.removed.includes(name));
  }

  async #read(signal: AbortSignal): Promise<ReadRecord> {
    const { seen, store } = this.#options;
    // Before the record, which its agent may see in between.
    const highest = await seen(signal);
    const reading = await store.read(signal);
    const { identity } = this.#session;
    if (reading.kind !== 'record') throw new PgcmError('conflict', `the record is ${reading.kind}`);
    const older = whyOlder(reading.record, highest);
    if (older !== undefined)
      throw new PgcmError(
        'conflict',
        `${older}: it was restored from a backup, or edited. Nobody is entitled or withdrawn until pgcm adopt made a new one`,
      );
    const { primary, timeline, system } = reading.record;
    const isOwn =
      primary === this.#options.self && timeline === identity.timeline && system === identity.system;
    if (!isOwn) throw new PgcmError('conflict', `the record names ${primary} on timeline ${timeline} by now`);
    return reading;
  }

  async #endSilent(look: ReplicationLook, signal: AbortSignal): Promise<boolean> {
    let ended = false;
    for (const [walsender, silence] of this.#silence.update(look, monotonic())) {
      if (this.#options.addressOf(walsender.name) === undefined) continue;
      if (!(await this.#session.end(walsender, signal))) continue;
      this.#options.teller.ended(walsender, silence);
      ended = true;
    }
    return ended;
  }
}
