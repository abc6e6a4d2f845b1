import { parseAddress, type Address } from '../domain/address.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Revision } from '../domain/route.js';
import type { PublishOutcome, RouteReading, RouteStore } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import type { Etcd } from './client.js';
import type { KeyValue } from './kv.js';
import { follow } from './watch.js';

export interface RouteStoreOptions {
  /** etcd-postgres-master-key, below the namespace. */
  readonly key: string;
  /** Between two reads of a follower (etcd-stream-poll-interval). */
  readonly pollInterval: Milliseconds;
  /** For one read (etcd-get-timeout). */
  readonly getTimeout: Milliseconds;
  /** Called when following it met trouble with etcd. */
  readonly onTrouble?: (() => void) | undefined;
}

/** More bytes than any address has; what is longer is not even decoded. */
const MAX_BYTES = 256;

/** The published route in etcd: one key, whose value is the bare address of the primary. */
export class EtcdRouteStore implements RouteStore {
  readonly key: string;
  readonly #etcd: Etcd;
  readonly #options: RouteStoreOptions;
  readonly #log: Log;

  constructor(etcd: Etcd, options: RouteStoreOptions, log: Log) {
    this.key = options.key;
    this.#etcd = etcd;
    this.#options = options;
    this.#log = log.with({ key: options.key });
  }

  async read(signal: AbortSignal): Promise<RouteReading> {
    const { kvs } = await this.#etcd.read({ key: this.key }, signal, this.#options.getTimeout);
    return readingOf(kvs[0]);
  }

  async publish(address: Address, expected: Revision, signal: AbortSignal): Promise<PublishOutcome> {
    const compare = [{ key: this.key, modRevision: expected }];
    const then = [{ put: this.key, value: address }];
    const { succeeded, revision } = await this.#etcd.repeatableTxn({ compare, then }, signal);
    if (succeeded) return { kind: 'published', revision };
    // An earlier try of this very call may have been applied, through a member whose answer was lost. (Or
    // somebody else published the same, which is as good.)
    const now = await this.read(signal);
    const ours = now.kind === 'route' && now.route.address === address && now.route.revision !== expected;
    return ours ? { kind: 'published', revision: now.route.revision } : { kind: 'changed' };
  }

  async follow(onReading: (reading: RouteReading) => void, signal: AbortSignal): Promise<void> {
    const { pollInterval, getTimeout, onTrouble } = this.#options;
    let last: RouteReading | undefined;
    await follow(
      this.#etcd,
      { range: { key: this.key }, pollInterval, getTimeout, onTrouble, log: this.#log },
      ({ kvs }) => {
        const reading = readingOf(kvs[0]);
        if (reading.kind === 'missing' && last?.kind === 'missing') return;
        last = reading;
        this.#say(reading);
        onReading(reading);
      },
      signal,
    );
  }

  #say(reading: RouteReading): void {
    switch (reading.kind) {
      case 'missing':
        this.#log.warn(events.pollMissingEtcdValue, {}, 'the key of the primary does not exist');
        break;
      case 'bad':
        this.#log.warn(events.badValue, { revision: reading.revision, error: reading.why });
        break;
      case 'route':
    }
  }
}

function readingOf(kv: KeyValue | undefined): RouteReading {
  if (kv === undefined) return { kind: 'missing', revision: 0n };
  const revision = kv.modRevision;
  if (kv.value.length > MAX_BYTES) {
    return { kind: 'bad', why: `its ${kv.value.length} bytes are no address`, revision };
  }
  try {
    return { kind: 'route', route: { address: parseAddress(kv.value.toString('utf8')), revision } };
  } catch (error) {
    return { kind: 'bad', why: describeError(error), revision };
  }
}
