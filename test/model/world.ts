import type { Rules } from './rules.js';
import type { State } from './state.js';

/** What may go wrong, each as often as it likes unless said. */
export interface Faults {
  /** PostgreSQL dies at once, with all of its processes. */
  readonly crash: boolean;
  /** The postmaster alone is killed; a backend and the walsenders live on. */
  readonly orphans: boolean;
  /** A replication connection breaks; the primary's end of it may live on. */
  readonly cut: boolean;
  /** So many writes may be in doubt at a time. */
  readonly doubt: number;
  /** A supervise freezes amid something, and is replaced by another. */
  readonly successor: boolean;
  /** The cluster manager promotes a member while the primary runs: no fencing. */
  readonly unfenced: boolean;
  /** The cluster manager demotes the primary. */
  readonly move: boolean;
  /** So many members may be lost for good. */
  readonly losses: number;
}

/** Nothing goes wrong. */
export const calm: Faults = {
  crash: false,
  orphans: false,
  cut: false,
  doubt: 0,
  successor: false,
  unfenced: false,
  move: false,
  losses: 0,
};

export interface Bounds {
  readonly members: number;
  /** sync-standbys: how many standbys are entitled at most. */
  readonly standbys: number;
  /** How many commits clients make. */
  readonly commits: number;
  /** The highest timeline number. */
  readonly timelines: number;
  readonly strict: boolean;
  readonly faults: Faults;
}

export interface World {
  readonly rules: Rules;
  readonly bounds: Bounds;
}

/** What actors hand to the explorer. */
export interface ModelStep {
  readonly what: string;
  readonly next: State;
  readonly benign: boolean;
}

/** A step that may be counted on: the protocol's own, or of parts that work. */
export function benign(what: string, next: State): ModelStep {
  return { what, next, benign: true };
}

/** A step that may happen, and need not. */
export function chance(what: string, next: State): ModelStep {
  return { what, next, benign: false };
}
