import { faultKinds, openers, spanOf, type FaultKind } from './kinds.js';
import { Random } from './random.js';

export interface PlannedFault {
  /** Milliseconds after the storm's beginning. */
  readonly at: number;
  readonly kind: FaultKind;
  readonly lasts: number;
  /** Numbers from 0 to below 1 that decide, with who has which role by then, whom it strikes and in which order. */
  readonly draws: readonly number[];
}

/** Faults that overlap. After each storm there is calm, until the cluster is healthy and was looked at. */
export interface Storm {
  readonly number: number;
  readonly faults: readonly PlannedFault[];
  /** How long each host that the cluster fenced stays off, one after the other. */
  readonly fencedFor: readonly number[];
  /** In the calm after it one node goes for as long as the others need; whom this number stands for. */
  readonly absent: number | undefined;
}

const stormMs = 30_000;
const [fewest, most] = [11, 13];
/** An opener has this time for itself. */
const openingMs = 6_000;

/**
 * All that is decided by the seed. Each storm begins with an opener, which needs a cluster that is whole. The other kinds are dealt
 * from a shuffled deck, and the next deck begins where one ends: so each kind comes once in any few storms.
 */
export class Course {
  readonly #random: Random;
  #deck: FaultKind[] = [];
  #openers: FaultKind[] = [];
  #storms = 0;

  /** @param opener with which each storm opens, in place of one from the deck */
  constructor(
    seed: number,
    private readonly opener?: FaultKind,
  ) {
    this.#random = new Random(seed);
  }

  next(): Storm {
    const count = Math.floor(this.#random.between(fewest, most + 1));
    const faults = Array.from({ length: count }, () => this.#plan(this.#deal(), openingMs, stormMs));
    faults.push(this.#plan(this.#open(), 0, 300));
    faults.sort((a, b) => a.at - b.at);
    const fencedFor = Array.from({ length: 8 }, () => this.#random.between(500, 8_000));
    const absent = this.#random.next() < 0.5 ? this.#random.next() : undefined;
    this.#storms += 1;
    return { number: this.#storms, faults, fencedFor, absent };
  }

  #deal(): FaultKind {
    const others = faultKinds.filter((kind) => !openers.includes(kind));
    if (this.#deck.length === 0) this.#deck = this.#random.shuffled(others);
    return this.#deck.pop() ?? 'cold start';
  }

  #open(): FaultKind {
    if (this.opener !== undefined) return this.opener;
    // A short run has the planned move, too: it comes first.
    if (this.#storms === 0) return 'move';
    if (this.#openers.length === 0) this.#openers = this.#random.shuffled(openers);
    return this.#openers.pop() ?? 'move';
  }

  #plan(kind: FaultKind, from: number, to: number): PlannedFault {
    const at = this.#random.between(from, to);
    const [least, longest] = spanOf(kind);
    // Short ones are as nasty as long ones: a third of them is over at once.
    const span = this.#random.next() < 1 / 3 ? this.#random.between(0, 0.15) : this.#random.next();
    const draws = Array.from({ length: 8 }, () => this.#random.next());
    return { at, kind, lasts: least + (longest - least) * span, draws };
  }
}
