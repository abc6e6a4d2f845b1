import { parseAddress, type Address } from '../../src/domain/address.js';
import type { PublishOutcome, RouteReading, RouteStore } from '../../src/domain/stores.js';

/** The published route in memory, with etcd's rules: revisions grow, a publish compares. */
export class FakeRoutes implements RouteStore {
  readonly key = '/master';
  readonly published: Address[] = [];
  reading: RouteReading = { kind: 'missing', revision: 0n };
  /** Set to make reads and publishes fail. */
  failure: Error | undefined;
  #revision = 0n;
  #followers = new Set<(reading: RouteReading) => void>();

  read(): Promise<RouteReading> {
    return this.failure === undefined ? Promise.resolve(this.reading) : Promise.reject(this.failure);
  }

  publish(address: Address, expected: bigint): Promise<PublishOutcome> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const current = this.reading.kind === 'route' ? this.reading.route.revision : this.reading.revision;
    if (current !== expected) return Promise.resolve({ kind: 'changed' });
    this.published.push(address);
    return Promise.resolve({ kind: 'published', revision: this.put(address) });
  }

  follow(onReading: (reading: RouteReading) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    this.#followers.add(onReading);
    onReading(this.reading);
    return new Promise((resolve) => {
      signal.addEventListener(
        'abort',
        () => {
          this.#followers.delete(onReading);
          resolve();
        },
        { once: true },
      );
      if (signal.aborted) resolve();
    });
  }

  get following(): number {
    return this.#followers.size;
  }

  /** Somebody else writes the key. */
  put(address: string): bigint {
    this.#revision += 1n;
    this.tell({ kind: 'route', route: { address: parseAddress(address), revision: this.#revision } });
    return this.#revision;
  }

  /** Somebody writes what is no address. */
  putBad(why: string): void {
    this.#revision += 1n;
    this.tell({ kind: 'bad', why, revision: this.#revision });
  }

  remove(): void {
    this.tell({ kind: 'missing', revision: 0n });
  }

  /** What the followers are told, whatever the order. */
  tell(reading: RouteReading): void {
    this.reading = reading;
    for (const follower of this.#followers) follower(reading);
  }
}
