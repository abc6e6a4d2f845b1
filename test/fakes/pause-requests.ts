import { PgcmError } from '../../src/domain/errors.js';
import type { HeldLock, PauseRequests } from '../../src/domain/stores.js';
import type { PauseRequest } from '../../src/domain/switchover.js';
import { Followers } from './followers.js';
import type { FakeLock } from './lock.js';

/** The pause request in memory; it ends with the lock. */
export class FakePauseRequests implements PauseRequests {
  /** Everything that was written, in order. */
  readonly written: PauseRequest[] = [];
  /** Set to make reads and writes fail. */
  failure: Error | undefined;
  #request: PauseRequest | undefined;
  #revision = 0n;
  readonly #lock: FakeLock | undefined;
  readonly #followers = new Followers<PauseRequest | undefined>();

  /** Without a lock every write is allowed. */
  constructor(lock?: FakeLock) {
    this.#lock = lock;
    if (lock !== undefined) lock.onEnd = () => this.put(undefined);
  }

  get current(): PauseRequest | undefined {
    return this.#request;
  }

  /** Somebody else writes it (undefined: it ends with its run). */
  put(request: PauseRequest | undefined): void {
    if (request === undefined && this.#request === undefined) return;
    this.#revision += 1n;
    this.#request = request;
    this.#followers.tell(request);
  }

  read(): Promise<PauseRequest | undefined> {
    return this.failure === undefined ? Promise.resolve(this.#request) : Promise.reject(this.failure);
  }

  follow(onRequest: (request: PauseRequest | undefined) => void, signal: AbortSignal): Promise<void> {
    return this.#followers.follow(this.#request, onRequest, signal);
  }

  get following(): number {
    return this.#followers.count;
  }

  write(request: PauseRequest, held: HeldLock): Promise<bigint> {
    const refusal = this.#refusal(held);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.written.push(request);
    this.put(request);
    return Promise.resolve(this.#revision);
  }

  clear(held: HeldLock): Promise<boolean> {
    const refusal = this.#refusal(held);
    if (refusal !== undefined) return Promise.reject(refusal);
    const was = this.#request !== undefined;
    this.put(undefined);
    return Promise.resolve(was);
  }

  #refusal(held: HeldLock): Error | undefined {
    if (this.failure !== undefined) return this.failure;
    if (this.#lock === undefined || this.#lock.isHeld(held)) return undefined;
    return new PgcmError('lock-lost', 'the failover lock is not held any more');
  }
}
