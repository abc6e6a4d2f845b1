import type {
  Entitlement,
  EntitlementOutcome,
  EntitlementReading,
  EntitlementStore,
} from '../domain/entitlement.js';
import { describeError, hasCode } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Revision } from '../domain/route.js';
import { entitlement } from '../records/entitlement.js';
import type { Etcd } from './client.js';
import { keys } from './keys.js';
import type { KeyValue, Operation } from './kv.js';
import type { FollowedStoreOptions } from './pause-requests.js';
import { follow } from './watch.js';

/**
 * The record of who may be promoted, in etcd. Unlike the other keys it is written once for each decision and never
 * tried again: a write whose answer was lost may still be made, by a member that was frozen, long after a read
 * elsewhere showed the old value. So its caller hears of the doubt, and decides anew.
 */
export class EtcdEntitlementStore implements EntitlementStore {
  readonly #etcd: Etcd;
  readonly #options: FollowedStoreOptions;
  readonly #log: Log;

  constructor(etcd: Etcd, options: FollowedStoreOptions, log: Log) {
    this.#etcd = etcd;
    this.#options = options;
    this.#log = log.with({ key: keys.entitlement });
  }

  async read(signal: AbortSignal): Promise<EntitlementReading> {
    const { kvs } = await this.#etcd.read({ key: keys.entitlement }, signal, this.#options.getTimeout);
    return readingOf(kvs[0]);
  }

  async follow(onReading: (reading: EntitlementReading) => void, signal: AbortSignal): Promise<void> {
    let last: EntitlementReading | undefined;
    await follow(
      this.#etcd,
      { ...this.#options, range: { key: keys.entitlement }, log: this.#log },
      ({ kvs }) => {
        const reading = readingOf(kvs[0]);
        if (reading.kind === 'missing' && last?.kind === 'missing') return;
        last = reading;
        if (reading.kind === 'bad') this.#log.error(events.badValue, { error: reading.why });
        onReading(reading);
      },
      signal,
    );
  }

  write(record: Entitlement, expected: Revision, signal: AbortSignal): Promise<EntitlementOutcome> {
    return this.#replace(record, expected, [], signal);
  }

  adopt(record: Entitlement, expected: Revision, signal: AbortSignal): Promise<EntitlementOutcome> {
    return this.#replace(record, expected, [{ delete: keys.topology }], signal);
  }

  async #replace(
    record: Entitlement,
    expected: Revision,
    also: readonly Operation[],
    signal: AbortSignal,
  ): Promise<EntitlementOutcome> {
    const put = { put: keys.entitlement, value: entitlement.serialise(record) };
    const compare = [{ key: keys.entitlement, modRevision: expected }];
    try {
      const { succeeded, revision } = await this.#etcd.txn({ compare, then: [put, ...also] }, signal);
      return succeeded ? { kind: 'made', revision } : { kind: 'refused' };
    } catch (error) {
      if (!hasCode(error, 'in-doubt')) throw error;
      return { kind: 'in-doubt', why: describeError(error) };
    }
  }
}

function readingOf(kv: KeyValue | undefined): EntitlementReading {
  if (kv === undefined) return { kind: 'missing', revision: 0n };
  const revision = kv.modRevision;
  try {
    return { kind: 'record', record: entitlement.parse(kv.value, keys.entitlement), revision };
  } catch (error) {
    return { kind: 'bad', why: describeError(error), revision };
  }
}
