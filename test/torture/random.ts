/** Numbers that follow from a seed alone (mulberry32): the same on every machine, as Math.random is not. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.next();
  }

  shuffled<T>(items: readonly T[]): T[] {
    const draws = items.map((item) => ({ item, draw: this.next() }));
    return draws.sort((a, b) => a.draw - b.draw).map(({ item }) => item);
  }
}

/** The item that a number from 0 to below 1 stands for. */
export function chosenBy<T>(draw: number, items: readonly T[]): T | undefined {
  return items[Math.floor(draw * items.length)];
}
