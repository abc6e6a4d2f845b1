import {
  entitling,
  type Entitlement,
  type EntitlementReading,
  type EntitlementStore,
} from '../domain/entitlement.js';
import { namesFor, standbysOf, type Plan } from '../domain/entitlement-plan.js';
import { PgcmError } from '../domain/errors.js';
import type {
  ReplicationControl,
  ReplicationLook,
  ReplicationSession,
  TestRow,
  Walsender,
} from '../domain/replication.js';
import type { Revision } from '../domain/route.js';
import { barrierAround } from '../domain/synchronous-names.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { close, goOn, isClosed, prove, settle } from './proof.js';

export interface EntitlerOptions {
  readonly self: string;
  readonly store: Pick<EntitlementStore, 'write'>;
  readonly replication: ReplicationControl;
  /** With none entitled commits wait. */
  readonly strict: boolean;
  /** Whether a walsender is to the member whose name it has. */
  readonly isMember: (walsender: Walsender) => boolean;
  /** Every write that was made. */
  readonly onWritten: (reading: EntitlementReading & { readonly kind: 'record' }) => void;
  /** How long the barrier stood, and commits waited. */
  readonly onHeld: (ms: Milliseconds) => void;
}

/** The record as it was read, over which the next one is written. */
export interface ReadRecord {
  readonly record: Entitlement;
  /** Read before synchronous_standby_names was touched. */
  readonly revision: Revision;
}

/**
 * Changes the record and synchronous_standby_names in the one order in which no acknowledged commit is ever missing on
 * a member that is entitled. Whatever fails in between, the next plan begins with a write of the record.
 */
export class Entitler {
  readonly #options: EntitlerOptions;
  readonly #session: ReplicationSession;

  constructor(session: ReplicationSession, options: EntitlerOptions) {
    this.#session = session;
    this.#options = options;
  }

  /**
   * To shrink, or to settle what was left half done: the record first, always with a new counter, also when it does not
   * change otherwise. A write that may still come, to entitle somebody, is void from then on.
   */
  async shrink(read: ReadRecord, { standbys }: Plan, signal: AbortSignal): Promise<void> {
    await this.#write(read, this.#kept(read, standbys), signal);
    const { names, walsenders } = await this.#session.look(signal);
    const wanted = namesFor(standbys, this.#options.strict);
    if (names === wanted) return;
    if (standbys.size > 0) {
      // From one list to another through the barrier: who still follows the old one may count a newcomer for another.
      const barrier = barrierAround(standbys);
      if (names !== barrier) await this.#session.setNames(barrier, signal);
      if (walsenders.length > 0) await settle(this.#session, standbys, signal);
    }
    await this.#setList(standbys, signal);
  }

  /** The barrier, the proof, the record, the list. */
  async grow(read: ReadRecord, { standbys, added }: Plan, signal: AbortSignal): Promise<void> {
    const { isMember, onHeld } = this.#options;
    const rows = await this.#testRows(signal);
    try {
      await this.#close(signal);
      await this.#session.setNames(barrierAround(standbys), signal);
      const { position, since } = await prove(this.#session, rows, standbys, isMember, signal);
      const entitled = new Map(this.#kept(read, standbys));
      for (const name of added) entitled.set(name, position);
      await this.#write(read, entitled, signal);
      await this.#setList(standbys, signal);
      onHeld(monotonic() - since);
    } catch (error) {
      await this.#release(rows);
      throw error;
    } finally {
      for (const row of rows) row.close();
    }
  }

  async #setList(standbys: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    await this.#session.setNames(namesFor(standbys, this.#options.strict), signal);
    if (standbys.size > 0) await goOn(this.#session, standbys, signal);
  }

  /** Before the barrier is there: commits wait from then on. */
  async #testRows(signal: AbortSignal): Promise<readonly [TestRow, TestRow]> {
    const { replication } = this.#options;
    const first = await replication.testRow(signal);
    try {
      return [first, await replication.testRow(signal)];
    } catch (error) {
      first.close();
      throw error;
    }
  }

  /** A newcomer gets a place only when nobody follows a list any more, in which it would count for another. */
  async #close(signal: AbortSignal): Promise<void> {
    const look: ReplicationLook = await this.#session.look(signal);
    if (isClosed(look)) return;
    await this.#session.setNames(barrierAround([]), signal);
    await close(this.#session, signal);
  }

  /** The backends of the test rows would wait on, as nobody tells them that their client is gone. */
  async #release(rows: readonly TestRow[]): Promise<void> {
    const waiting = rows.filter((row) => !row.acknowledged).map(({ pid }) => pid);
    if (waiting.length === 0 || this.#session.ended) return;
    // What made the plan fail is what its caller hears of.
    await this.#session.cancel(waiting, AbortSignal.timeout(RELEASE)).catch(() => undefined);
  }

  #kept({ record }: ReadRecord, standbys: ReadonlySet<string>): ReadonlyMap<string, bigint> {
    const { self } = this.#options;
    const names = [self, ...standbysOf(record, self).filter((name) => standbys.has(name))];
    return new Map(names.map((name) => [name, record.entitled.get(name) ?? 0n]));
  }

  /** @throws PgcmError `conflict`, `in-doubt`: then nothing may be built on it, and the next plan writes again */
  async #write(
    { record, revision }: ReadRecord,
    entitled: ReadonlyMap<string, bigint>,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, onWritten } = this.#options;
    const next = entitling(record, entitled);
    const outcome = await store.write(next, revision, signal);
    switch (outcome.kind) {
      case 'made':
        onWritten({ kind: 'record', record: next, revision: outcome.revision });
        return;
      case 'refused':
        throw new PgcmError('conflict', 'the record was written by somebody else since it was read');
      case 'in-doubt':
        throw new PgcmError('in-doubt', outcome.why);
    }
  }
}

const RELEASE: Milliseconds = 1_000;
