import type {
  Entitlement,
  EntitlementOutcome,
  EntitlementReading,
  EntitlementStore,
} from '../../src/domain/entitlement.js';
import type { Revision } from '../../src/domain/route.js';
import { Followers } from './followers.js';

/** What becomes of the next write, in place of what would. */
export type Fate =
  /** No answer, and it was made. */
  | 'doubt-made'
  /** No answer; it is made when `late` is called, if nobody has written meanwhile. */
  | 'doubt-late'
  /** Somebody else was faster. */
  | 'refused'
  | 'unavailable';

/** The record of who may be promoted in memory. */
export class FakeEntitlements implements EntitlementStore {
  readonly written: Entitlement[] = [];
  readonly fates: Fate[] = [];
  /** Whether the topology was removed with the record. */
  topologyRemoved = false;
  /** Set to make reads fail. */
  failure: Error | undefined;
  /** Called with each write, before it is made. */
  onWrite: (record: Entitlement) => void = () => undefined;
  /** A write that is still on its way. */
  late: (() => boolean) | undefined;
  readonly #followers = new Followers<EntitlementReading>();
  #reading: EntitlementReading = { kind: 'missing', revision: 0n };
  #revision: Revision = 100n;

  get reading(): EntitlementReading {
    return this.#reading;
  }

  get record(): Entitlement {
    if (this.#reading.kind !== 'record') throw new Error(`the record is ${this.#reading.kind}`);
    return this.#reading.record;
  }

  /** Somebody else writes it. */
  put(record: Entitlement | undefined): void {
    this.#revision += 1n;
    this.#reading =
      record === undefined
        ? { kind: 'missing', revision: 0n }
        : { kind: 'record', record, revision: this.#revision };
    this.#followers.tell(this.#reading);
  }

  read(): Promise<EntitlementReading> {
    return this.failure === undefined ? Promise.resolve(this.#reading) : Promise.reject(this.failure);
  }

  follow(onReading: (reading: EntitlementReading) => void, signal: AbortSignal): Promise<void> {
    return this.#followers.follow(this.#reading, onReading, signal);
  }

  write(record: Entitlement, expected: Revision): Promise<EntitlementOutcome> {
    this.onWrite(record);
    const make = (): boolean => {
      if (expected !== this.#reading.revision) return false;
      this.written.push(record);
      this.put(record);
      return true;
    };
    switch (this.fates.shift()) {
      case 'doubt-made':
        make();
        return Promise.resolve({ kind: 'in-doubt', why: 'the answer is lost' });
      case 'doubt-late':
        this.late = make;
        return Promise.resolve({ kind: 'in-doubt', why: 'the answer is lost' });
      case 'unavailable':
        return Promise.reject(new Error('etcd is away'));
      case 'refused':
        this.put({ ...this.record, counter: this.record.counter + 1 });
        return Promise.resolve({ kind: 'refused' });
      case undefined:
        return Promise.resolve(make() ? { kind: 'made', revision: this.#revision } : { kind: 'refused' });
    }
  }

  async adopt(record: Entitlement, expected: Revision): Promise<EntitlementOutcome> {
    const outcome = await this.write(record, expected);
    this.topologyRemoved ||= outcome.kind === 'made';
    return outcome;
  }
}
