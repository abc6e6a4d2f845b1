import type { ProxyListing, ProxyRegistry, Registration } from '../../src/domain/stores.js';
import type { ProxyState, SeenProxy } from '../../src/domain/switchover.js';
import { untilAborted } from '../../src/runtime/deadline.js';
import { Followers } from './followers.js';

/** A proxy's state, for tests to change parts of. */
export function proxyOf(id: string, parts: Partial<ProxyState> = {}): ProxyState {
  return {
    id,
    host: id,
    instance: 'i1',
    version: '0.1.0',
    route: { address: '10.77.0.11', revision: 1n, appliedAt: '2026-01-01T00:00:00Z' },
    pause: { kind: 'running' },
    hold: { kind: 'none' },
    clientsWaiting: 0,
    longestWait: 0,
    bouncers: [{ name: '6432', error: '', sessionPooled: [], queryWaitTimeout: 120_000 }],
    error: '',
    ...parts,
  };
}

/** The registered proxies in memory. */
export class FakeProxyRegistry implements ProxyRegistry {
  /** Values that are not understood. */
  problems: readonly string[] = [];
  /** Set to make everything but following fail. */
  failure: Error | undefined;
  readonly #states = new Map<string, ProxyState>();
  readonly #seen = new Map<string, SeenProxy>();
  readonly #followers = new Followers<ProxyListing>();

  /** A proxy writes its state. */
  put(state: ProxyState): void {
    if (!this.#states.has(state.id)) this.see(state);
    this.#states.set(state.id, state);
    this.#followers.tell(this.#listing);
  }

  /** A proxy was here. */
  see({ id, host }: Pick<ProxyState, 'id' | 'host'>): void {
    this.#seen.set(id, { id, host, since: '2026-01-01T00:00:00Z' });
  }

  /** A proxy's lease ends. */
  remove(id: string): void {
    if (this.#states.delete(id)) this.#followers.tell(this.#listing);
  }

  /** A proxy's own registration. */
  registration(id: string): Registration<ProxyState> {
    let latest: ProxyState | undefined;
    let running = false;
    return {
      name: `registering ${id}`,
      set: (state) => {
        latest = state;
        if (running) this.put(state);
      },
      run: async (signal) => {
        running = true;
        if (latest !== undefined) this.put(latest);
        await untilAborted(signal);
        running = false;
        this.remove(id);
      },
    };
  }

  list(): Promise<ProxyListing> {
    return this.failure === undefined ? Promise.resolve(this.#listing) : Promise.reject(this.failure);
  }

  follow(onListing: (listing: ProxyListing) => void, signal: AbortSignal): Promise<void> {
    return this.#followers.follow(this.#listing, onListing, signal);
  }

  seen(): Promise<readonly SeenProxy[]> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve([...this.#seen.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
  }

  forget(id: string): Promise<boolean> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve(this.#seen.delete(id));
  }

  get #listing(): ProxyListing {
    const proxies = [...this.#states.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return { proxies, problems: this.problems };
  }
}
