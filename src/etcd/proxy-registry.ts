import { quote } from '../domain/address.js';
import { PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { ProxyListing, ProxyRegistry, Registration } from '../domain/stores.js';
import type { ProxyState, SeenProxy } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { ID } from '../records/fields.js';
import { proxyState } from '../records/proxy-state.js';
import { seenProxy } from '../records/seen-proxy.js';
import type { Etcd } from './client.js';
import { keys } from './keys.js';
import type { KeyValue } from './kv.js';
import type { FollowedStoreOptions } from './pause-requests.js';
import { byKey, RecordReader } from './records.js';
import { LeasedRegistration } from './registration.js';
import { follow } from './watch.js';

/** The proxies that are registered in etcd, and those that ever were. */
export class EtcdProxyRegistry implements ProxyRegistry {
  readonly #etcd: Etcd;
  readonly #options: FollowedStoreOptions;
  readonly #log: Log;

  constructor(etcd: Etcd, options: FollowedStoreOptions, log: Log) {
    this.#etcd = etcd;
    this.#options = options;
    this.#log = log;
  }

  async list(signal: AbortSignal): Promise<ProxyListing> {
    const kvs = await this.#read(keys.proxies, signal);
    return listingOf(stateReader(), kvs);
  }

  async follow(onListing: (listing: ProxyListing) => void, signal: AbortSignal): Promise<void> {
    const reader = stateReader();
    const said = new Set<string>();
    await follow(
      this.#etcd,
      { ...this.#options, range: { prefix: keys.proxies }, log: this.#log },
      ({ kvs }) => {
        const listing = listingOf(reader, byKey(kvs));
        for (const problem of listing.problems.filter((text) => !said.has(text))) {
          said.add(problem);
          this.#log.warn(events.badValue, { error: problem });
        }
        onListing(listing);
      },
      signal,
    );
  }

  async seen(signal: AbortSignal): Promise<readonly SeenProxy[]> {
    const kvs = await this.#read(keys.proxiesSeen, signal);
    const reader = new RecordReader(seenProxy, keys.proxiesSeen, ({ id }) => id);
    // Who was here is all that this list is for, and its key says that, too.
    return kvs.map((kv) => {
      const [seen] = reader.read([kv]).values;
      return seen ?? { id: kv.key.slice(keys.proxiesSeen.length), host: '', since: '' };
    });
  }

  async forget(id: string, signal: AbortSignal): Promise<boolean> {
    const key = keys.proxiesSeen + id;
    const { kv } = await this.#etcd.get(key, signal);
    if (kv === undefined) return false;
    // One that registers again at this moment is not forgotten.
    const compare = [{ key, modRevision: kv.modRevision }];
    await this.#etcd.repeatableTxn({ compare, then: [{ delete: key }] }, signal);
    return true;
  }

  async #read(prefix: string, signal: AbortSignal): Promise<readonly KeyValue[]> {
    return (await this.#etcd.read({ prefix }, signal, this.#options.getTimeout)).kvs;
  }
}

export interface ProxyIdentity {
  /** proxy-id */
  readonly id: string;
  readonly host: string;
}

/**
 * A proxy's own registration; it is on the list of those that were seen from then on.
 * @throws PgcmError `usage` for an id that cannot be part of a key
 */
export function proxyRegistration(
  etcd: Etcd,
  { id, host }: ProxyIdentity,
  log: Log,
  ttl?: Milliseconds,
): Registration<ProxyState> {
  if (!ID.test(id)) {
    throw new PgcmError(
      'usage',
      `proxy-id ${quote(id)}: only letters, digits and . _ : @ - can be used, 128 at most, a letter or digit first`,
    );
  }
  return new LeasedRegistration<ProxyState>(
    etcd,
    {
      key: keys.proxies + id,
      serialise: (state) => proxyState.serialise(state),
      also: () => [
        {
          put: keys.proxiesSeen + id,
          value: seenProxy.serialise({ id, host, since: new Date().toISOString() }),
        },
      ],
      ...(ttl === undefined ? {} : { ttl }),
    },
    log,
  );
}

function stateReader(): RecordReader<ProxyState> {
  return new RecordReader(proxyState, keys.proxies, ({ id }) => id);
}

function listingOf(reader: RecordReader<ProxyState>, kvs: readonly KeyValue[]): ProxyListing {
  const { values, problems } = reader.read(kvs);
  return { proxies: values, problems };
}
