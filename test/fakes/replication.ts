import { PgcmError } from '../../src/domain/errors.js';
import type {
  PrimaryIdentity,
  ReplicationControl,
  ReplicationLook,
  ReplicationSession,
  TestRow,
  Walsender,
} from '../../src/domain/replication.js';
import { slotOf } from '../../src/domain/entitlement.js';

interface FakeStandby {
  readonly pid: number;
  place: number;
  flushed: bigint;
  state: string;
  reply: number;
  /** Where it connects from. */
  address: string;
}

/**
 * A primary in memory with its walsenders: backends and walsenders take a change of synchronous_standby_names in at
 * once, unless they are told to be slow. What happens is kept in order in `did`.
 */
export class FakePrimary implements ReplicationControl {
  readonly did: string[];
  identity: PrimaryIdentity = { inRecovery: false, system: '7', timeline: 1 };
  names = '';
  flushed = 0x1000n;
  /** Whether backends have seen `names`. */
  waits = false;
  checkpointerIsBusy = false;
  readonly slow = new Set<string>();
  readonly standbys = new Map<string, FakeStandby>();
  /** The postmaster was killed: sessions live on and see no walsenders, and nobody can connect. */
  orphaned = false;
  readonly ended: number[] = [];
  readonly cancelled: number[] = [];
  /** The session that has the lock. */
  holder: FakeSession | undefined;
  /** Called at each change of the names, before it is made. */
  onNames: (names: string) => void = () => undefined;
  /** How many were opened, in all. */
  sessions = 0;
  #pids = 100;

  constructor(did: string[] = []) {
    this.did = did;
  }

  comes(name: string, parts: Partial<FakeStandby> = {}): void {
    this.standbys.set(name, {
      ...{
        pid: this.nextPid(),
        place: this.placeOf(name),
        flushed: this.flushed,
        state: 'streaming',
        reply: 0,
        address: '10.0.0.1',
      },
      ...parts,
    });
  }

  goes(name: string): void {
    this.standbys.delete(name);
  }

  nextPid(): number {
    this.#pids += 1;
    return this.#pids;
  }

  /** One record more, which every standby that is not slow has at once. */
  write(): void {
    this.flushed += 0x10n;
    for (const [name, standby] of this.standbys) {
      if (this.slow.has(name)) continue;
      standby.flushed = this.flushed;
      standby.reply += 1;
    }
  }

  placeOf(name: string): number {
    const all = /\((.*)\)/.exec(this.names)?.[1]?.split(', ') ?? [];
    return all.indexOf(`"${name}"`) + 1;
  }

  set(names: string): void {
    this.onNames(names);
    this.did.push(`names ${names}`);
    this.names = names;
    for (const [name, standby] of this.standbys) if (!this.slow.has(name)) standby.place = this.placeOf(name);
    if (!this.checkpointerIsBusy) this.waits = names !== '';
  }

  look(): ReplicationLook {
    const walsenders = [...this.standbys].map(
      ([name, { pid, place, flushed, state, reply, address }]): Walsender => ({
        ...{ pid, started: 'then', name, address, slot: slotOf(name), state, place, flushed },
        reply: String(reply),
      }),
    );
    return {
      ...{ names: this.names, flushed: this.flushed, statusInterval: 0 },
      walsenders: this.orphaned ? [] : walsenders,
    };
  }

  /** Whether commits are acknowledged: not at a barrier, else by the standbys that are there. */
  get acknowledges(): boolean {
    return !this.waits || this.names === '' || this.names.startsWith('FIRST 1 ');
  }

  connect(): Promise<ReplicationSession> {
    if (this.orphaned) return Promise.reject(new PgcmError('unavailable', 'nobody listens'));
    this.sessions += 1;
    return Promise.resolve(new FakeSession(this));
  }

  lookAnew(): Promise<ReplicationLook> {
    if (this.orphaned) return Promise.reject(new PgcmError('unavailable', 'nobody listens'));
    this.did.push('look anew');
    return Promise.resolve(this.look());
  }

  testRow(): Promise<TestRow> {
    if (this.orphaned) return Promise.reject(new PgcmError('unavailable', 'nobody listens'));
    return Promise.resolve(new FakeRow(this));
  }
}

export class FakeSession implements ReplicationSession {
  readonly #primary: FakePrimary;
  ended = false;

  constructor(primary: FakePrimary) {
    this.#primary = primary;
  }

  get identity(): PrimaryIdentity {
    return this.#primary.identity;
  }

  lock(): Promise<void> {
    const { holder } = this.#primary;
    if (holder !== undefined && holder !== this) holder.ended = true;
    this.#primary.holder = this;
    this.#primary.did.push('lock');
    return Promise.resolve();
  }

  look(): Promise<ReplicationLook> {
    return this.#alive(() => this.#primary.look());
  }

  setNames(names: string): Promise<void> {
    return this.#alive(() => {
      if (this.#primary.holder !== this) throw new Error('it has no lock');
      this.#primary.set(names);
    });
  }

  waiting(pids: readonly number[]): Promise<ReadonlySet<number>> {
    return this.#alive(() => new Set(this.#primary.acknowledges ? [] : pids));
  }

  writeRecord(): Promise<void> {
    return this.#alive(() => this.#primary.write());
  }

  end({ pid, name }: Walsender): Promise<boolean> {
    return this.#alive(() => {
      this.#primary.ended.push(pid);
      this.#primary.goes(name);
      return true;
    });
  }

  cancel(pids: readonly number[]): Promise<void> {
    return this.#alive(() => void this.#primary.cancelled.push(...pids));
  }

  close(): void {
    this.ended = true;
    if (this.#primary.holder === this) this.#primary.holder = undefined;
  }

  #alive<T>(work: () => T): Promise<T> {
    if (this.ended) return Promise.reject(new PgcmError('unavailable', 'the session was ended'));
    return new Promise((resolve) => resolve(work()));
  }
}

class FakeRow implements TestRow {
  readonly pid: number;
  readonly #primary: FakePrimary;
  #written = false;

  constructor(primary: FakePrimary) {
    this.#primary = primary;
    this.pid = primary.nextPid();
  }

  get acknowledged(): boolean {
    return !this.#written || this.#primary.acknowledges;
  }

  commit(): Promise<void> {
    this.#written = true;
    this.#primary.write();
    return Promise.resolve();
  }

  close(): void {
    this.#written = false;
  }
}
