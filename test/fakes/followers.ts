/** Who follows a state in memory: told at once, and of every change. */
export class Followers<T> {
  readonly #followers = new Set<(state: T) => void>();

  get count(): number {
    return this.#followers.size;
  }

  follow(state: T, onState: (state: T) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    this.#followers.add(onState);
    onState(state);
    return new Promise((resolve) => {
      const end = (): void => {
        this.#followers.delete(onState);
        resolve();
      };
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    });
  }

  tell(state: T): void {
    for (const follower of this.#followers) follower(state);
  }
}
