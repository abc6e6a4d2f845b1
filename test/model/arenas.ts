import { clusterLiveness, clusterModel, running } from './cluster.js';
import type { Exploration, Limits } from './explorer.js';
import { explore } from './explorer.js';
import { broken } from './properties.js';
import type { Rule } from './rules.js';
import { rulesWithout } from './rules.js';
import type { Names, State } from './state.js';
import type { Bounds, World } from './world.js';
import { calm } from './world.js';

/** A cluster with what may happen in it, small enough to be explored to its end unless a limit is named. */
export interface Arena {
  readonly about: string;
  readonly bounds: Bounds;
  /** Who is entitled at the start, for each start. */
  readonly entitled: readonly Names[];
  /** Also: from wherever recovery is owed there is a way to it. */
  readonly liveness: boolean;
  readonly limits: Limits;
}

const toTheEnd: Limits = { states: 4_000_000, depth: Infinity };
const [alone, pair, three] = [0b1, 0b11, 0b111];
const small = { members: 2, standbys: 1, commits: 1, timelines: 2, strict: false };

export const arenas = {
  pair: {
    about: 'two members, everything that a process, a connection and etcd can do to them',
    bounds: {
      ...small,
      faults: { ...calm, crash: true, orphans: true, cut: true, doubt: 1, successor: true, unfenced: true },
    },
    entitled: [pair, alone],
    liveness: true,
    limits: toTheEnd,
  },
  numbers: {
    about: 'two members, two commits: histories that fork and meet again',
    bounds: { ...small, commits: 2, faults: { ...calm, crash: true, unfenced: true } },
    entitled: [pair],
    liveness: true,
    limits: toTheEnd,
  },
  failovers: {
    about: 'two members, one failover after the other',
    bounds: { ...small, timelines: 3, faults: { ...calm, crash: true, unfenced: true } },
    entitled: [pair],
    liveness: true,
    limits: toTheEnd,
  },
  moves: {
    about: 'two members, planned moves, and one member lost for good at any moment',
    bounds: { ...small, faults: { ...calm, crash: true, cut: true, unfenced: true, move: true, losses: 1 } },
    entitled: [pair],
    liveness: true,
    limits: toTheEnd,
  },
  strict: {
    about: 'two members, sync-mode=strict',
    bounds: { ...small, strict: true, faults: { ...calm, crash: true, cut: true, unfenced: true } },
    entitled: [pair, alone],
    liveness: true,
    limits: toTheEnd,
  },
  swap: {
    about: 'three members on one timeline, sync-standbys 1: the next takes the place of one that is lost',
    bounds: { ...small, members: 3, timelines: 1, faults: { ...calm, crash: true, cut: true, doubt: 1 } },
    entitled: [pair],
    liveness: true,
    limits: toTheEnd,
  },
  two: {
    about: 'three members on one timeline, sync-standbys 2',
    bounds: { ...small, members: 3, standbys: 2, timelines: 1, faults: { ...calm, cut: true, doubt: 1 } },
    entitled: [three],
    liveness: true,
    limits: toTheEnd,
  },
  trio: {
    about: 'three members, sync-standbys 1, and failovers',
    bounds: { ...small, members: 3, faults: { ...calm, crash: true, unfenced: true } },
    entitled: [pair],
    liveness: false,
    limits: { states: 60_000, depth: Infinity },
  },
  quartet: {
    about: 'four members on one timeline: how a set of three standbys changes',
    bounds: { ...small, members: 4, standbys: 3, timelines: 1, faults: { ...calm, cut: true } },
    entitled: [three],
    liveness: false,
    limits: { states: 60_000, depth: Infinity },
  },
} as const satisfies Record<string, Arena>;

export type ArenaName = keyof typeof arenas;

export function isArena(text: string): text is ArenaName {
  return Object.hasOwn(arenas, text);
}

export interface Run {
  readonly world: World;
  readonly exploration: Exploration<State>;
  readonly ms: number;
}

export function runArena(arena: Arena, without: readonly Rule[]): Run {
  const world: World = { rules: rulesWithout(...without), bounds: arena.bounds };
  const model = clusterModel(
    world,
    arena.entitled.map((entitled) => running(world, entitled)),
  );
  const liveness = arena.liveness ? { liveness: clusterLiveness(world) } : {};
  const start = performance.now();
  const exploration = explore(model, { broken, ...liveness }, arena.limits);
  return { world, exploration, ms: performance.now() - start };
}
