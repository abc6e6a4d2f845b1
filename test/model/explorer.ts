import { IntList } from './int-list.js';
import { findStuck } from './liveness.js';

/** One thing that one actor does. `benign`: may be counted on when the cluster is to recover by itself. */
export interface Step<S> {
  readonly what: string;
  readonly next: S;
  readonly benign: boolean;
}

/** Pure: the same state always has the same steps. States with the same key count as the same. */
export interface Model<S extends object> {
  readonly initial: readonly S[];
  readonly steps: (state: S) => readonly Step<S>[];
  readonly key: (state: S) => string;
}

export interface Safety<S> {
  /** Why this state must never be, or undefined. */
  readonly broken: (state: S) => string | undefined;
}

/** From each state that owes it there must be a path of benign steps to a goal. */
export interface Liveness<S> {
  readonly owes: (state: S) => boolean;
  readonly goal: (state: S) => boolean;
  /** Benign steps without the bounds of the exploration, for states that only those keep from a goal. */
  readonly recovery: (state: S) => readonly Step<S>[];
}

export interface Limits {
  readonly states: number;
  readonly depth: number;
}

export interface Story<S> {
  readonly start: S;
  readonly steps: readonly Step<S>[];
}

export type Finding<S> =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'broken'; readonly why: string; readonly story: Story<S> }
  | { readonly kind: 'stuck'; readonly story: Story<S> };

export interface Exploration<S> {
  readonly finding: Finding<S>;
  readonly states: number;
  readonly steps: number;
  readonly depth: number;
  /** Everything that can be reached was: no limit was met. */
  readonly complete: boolean;
}

/** Breadth first, so that what is found first is found by a shortest path. */
export function explore<S extends object>(
  model: Model<S>,
  properties: Safety<S> & { readonly liveness?: Liveness<S> },
  limits: Limits,
): Exploration<S> {
  const search = new Search(model, properties.liveness !== undefined);
  const broken = search.run(properties, limits);
  const finding = broken ?? stuck(search, model, properties.liveness) ?? { kind: 'nothing' };
  return { finding, ...search.size() };
}

function stuck<S extends object>(
  search: Search<S>,
  model: Model<S>,
  liveness: Liveness<S> | undefined,
): Finding<S> | undefined {
  // Where the exploration was cut short nearly every way out leads beyond it.
  if (liveness === undefined || !search.size().complete) return undefined;
  const index = findStuck(search.all, search.benign, liveness, model.key);
  return index === undefined ? undefined : { kind: 'stuck', story: search.storyTo(index) };
}

class Search<S extends object> {
  /** Every state by its number, only when liveness needs them; else they are forgotten when done. */
  readonly all: S[] = [];
  /** Benign steps, as pairs of numbers: from, to, from, to... */
  readonly benign = new IntList();
  private readonly numbers = new Map<string, number>();
  private readonly parents = new IntList();
  private readonly model: Model<S>;
  private readonly keep: boolean;
  private taken = 0;
  private depth = 0;
  private complete = true;

  constructor(model: Model<S>, keep: boolean) {
    this.model = model;
    this.keep = keep;
  }

  size() {
    return { states: this.numbers.size, steps: this.taken, depth: this.depth, complete: this.complete };
  }

  run({ broken }: Safety<S>, limits: Limits): Finding<S> | undefined {
    let layer: { readonly state: S; readonly number: number }[] = [];
    for (const state of this.model.initial) {
      const number = this.add(state, -1);
      if (!number.isNew) continue;
      const why = broken(state);
      if (why !== undefined) return { kind: 'broken', why, story: this.storyTo(number.value) };
      layer.push({ state, number: number.value });
    }
    for (; layer.length > 0; this.depth++) {
      if (this.depth === limits.depth) {
        this.complete = false;
        return undefined;
      }
      const following: typeof layer = [];
      for (const { state, number } of layer) {
        for (const step of this.model.steps(state)) {
          this.taken++;
          const reached = this.add(step.next, number);
          if (this.keep && step.benign) this.benign.push(number, reached.value);
          if (!reached.isNew) continue;
          const why = broken(step.next);
          if (why !== undefined) return { kind: 'broken', why, story: this.storyTo(reached.value) };
          following.push({ state: step.next, number: reached.value });
        }
        if (this.numbers.size > limits.states) {
          this.complete = false;
          return undefined;
        }
      }
      layer = following;
    }
    return undefined;
  }

  /** The steps to a state, found again from the numbers of its ancestors. */
  storyTo(number: number): Story<S> {
    const numbers: number[] = [];
    for (let at = number; at !== -1; at = this.parents.at(at)) numbers.unshift(at);
    const start = this.model.initial.find((state) => this.numberOf(state) === numbers[0]);
    if (start === undefined) throw new Error('a story begins in no initial state');
    const steps: Step<S>[] = [];
    let state = start;
    for (const wanted of numbers.slice(1)) {
      const step = this.model.steps(state).find(({ next }) => this.numberOf(next) === wanted);
      if (step === undefined) throw new Error('a story cannot be told again: the model is not pure');
      steps.push(step);
      state = step.next;
    }
    return { start, steps };
  }

  private numberOf(state: S): number | undefined {
    return this.numbers.get(this.model.key(state));
  }

  private add(state: S, parent: number): { readonly value: number; readonly isNew: boolean } {
    const key = this.model.key(state);
    const known = this.numbers.get(key);
    if (known !== undefined) return { value: known, isNew: false };
    const value = this.numbers.size;
    this.numbers.set(key, value);
    this.parents.push(parent);
    if (this.keep) this.all.push(state);
    return { value, isNew: true };
  }
}
