import type { Address } from '../domain/address.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Registration } from '../domain/stores.js';
import type { NodeState } from '../domain/switchover.js';
import { retryForever } from '../runtime/retry.js';
import type { Service } from '../runtime/service-group.js';

export interface PresenceOptions {
  readonly localName: (signal: AbortSignal) => Promise<string>;
  readonly addressOf: (member: string, signal: AbortSignal) => Promise<Address>;
  /** The node's registration, by its name. */
  readonly registration: (name: string) => Registration<NodeState>;
  /** Where the API listens; without a host it is reached at the node's address. */
  readonly bindAddress: string;
  readonly version: (signal: AbortSignal) => Promise<string>;
  readonly log: Log;
}

const BACKOFF = { min: 500, max: 5_000 };

/** Registers this node in etcd, as soon as the cluster manager says who it is. */
export class Presence implements Service {
  readonly name = 'presence';
  readonly #options: PresenceOptions;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { registration, log } = this.#options;
    let told = '';
    const found = await retryForever(
      (on) => this.#who(on),
      BACKOFF,
      signal,
      (thrown) => {
        const error = describeError(thrown);
        if (error !== told)
          log.warn(events.pacemakerError, { error }, 'this node is not registered in etcd yet');
        told = error;
      },
    );
    if (found === undefined) return;
    const { name, api, version } = found.value;
    const registered = registration(name);
    registered.set({ name, api, version, since: new Date().toISOString() });
    await registered.run(signal);
  }

  async #who(signal: AbortSignal): Promise<Omit<NodeState, 'since'>> {
    const { localName, addressOf, bindAddress } = this.#options;
    const version = await this.#options.version(signal);
    const name = await localName(signal);
    if (!bindAddress.startsWith(':')) return { name, api: bindAddress, version };
    const address: string = await addressOf(name, signal);
    const host = address.includes(':') ? `[${address}]` : address;
    return { name, api: `${host}${bindAddress}`, version };
  }
}
