/** Counts what happens, by kind. A kind that is named at the start is there with 0: the first one shows as a change. */
export class Tally<K extends string = string> implements Iterable<readonly [K, number]> {
  readonly #counts = new Map<K, number>();

  constructor(kinds: Iterable<K> = []) {
    for (const kind of kinds) this.#counts.set(kind, 0);
  }

  add(kind: K): void {
    this.#counts.set(kind, this.of(kind) + 1);
  }

  of(kind: K): number {
    return this.#counts.get(kind) ?? 0;
  }

  [Symbol.iterator](): IterableIterator<[K, number]> {
    return this.#counts.entries();
  }
}
