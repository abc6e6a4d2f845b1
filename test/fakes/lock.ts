import { PgcmError } from '../../src/domain/errors.js';
import type { Mandate, MandateCheck } from '../../src/domain/mandate.js';
import type { FailoverLock, FoundLock, HeldLock, LockHolder, LockView } from '../../src/domain/stores.js';

interface Holding extends FoundLock {
  readonly lost: AbortController;
  readonly alive: boolean;
}

/** The failover lock in memory: who takes it, who looks at it, and who checks mandates by it. */
export class FakeLock implements FailoverLock, LockView, MandateCheck {
  /** Set to make everything fail. */
  failure: Error | undefined;
  /** Called when the lock is gone. */
  onEnd: () => void = () => undefined;
  #revision = 100n;
  #holding: Holding | undefined;

  acquire(holder: LockHolder): Promise<HeldLock> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.#holding !== undefined) {
      const who = this.#holding.holder?.id ?? 'somebody';
      return Promise.reject(new PgcmError('lock-held', `the failover lock is held by ${who}`));
    }
    const holding = this.take(holder);
    return Promise.resolve({
      revision: holding.revision,
      lost: holding.lost.signal,
      release: () => {
        if (this.failure !== undefined) return Promise.reject(this.failure);
        if (this.#holding === holding) this.#end();
        return Promise.resolve();
      },
    });
  }

  /** Somebody takes the lock; without a holder as pgsql-cluster-manager does; not alive: died since. */
  take(holder: LockHolder | undefined, alive = true): Holding {
    this.#revision += 1n;
    const key = `/master/${this.#revision.toString(16)}`;
    this.#holding = { holder, revision: this.#revision, key, lost: new AbortController(), alive };
    return this.#holding;
  }

  /** The lock ends without its holder having asked for it. */
  lose(): void {
    this.#holding?.lost.abort(new PgcmError('lock-lost', 'the lease of the failover lock has ended'));
    this.#end();
  }

  isHeld(held: Pick<HeldLock, 'revision'>): boolean {
    return this.#holding?.revision === held.revision;
  }

  owner(): Promise<FoundLock | undefined> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.#holding === undefined) return Promise.resolve(undefined);
    const { holder, revision, key } = this.#holding;
    return Promise.resolve({ holder, revision, key });
  }

  removeDead(lock: FoundLock): Promise<'removed' | 'gone' | 'alive'> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (!this.isHeld(lock)) return Promise.resolve('gone');
    if (this.#holding?.alive === true) return Promise.resolve('alive');
    this.lose();
    return Promise.resolve('removed');
  }

  verify(mandate: Mandate | undefined): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const holder = this.#holding?.holder;
    if (mandate === undefined) {
      if (holder === undefined) return Promise.resolve();
      return Promise.reject(new PgcmError('lock-lost', `switchover ${holder.id} holds the failover lock`));
    }
    const held = this.#holding?.revision === mandate.lockRevision && holder?.id === mandate.switchover;
    if (held) return Promise.resolve();
    return Promise.reject(
      new PgcmError('lock-lost', `the failover lock is held by ${holder?.id ?? 'nobody known'}`),
    );
  }

  #end(): void {
    this.#holding = undefined;
    this.onEnd();
  }
}
