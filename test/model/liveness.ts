import type { Liveness } from './explorer.js';
import type { IntList } from './int-list.js';

/** How many states a single recovery may pass through before the search for one is given up. */
const farthest = 200_000;

/**
 * A state that owes recovery and has none, the one found first; undefined when there is none.
 *
 * First backwards from the goals over the benign steps that the exploration has seen. What that does not
 * reach may only have met the bounds, so a path is looked for without them.
 */
export function findStuck<S>(
  all: readonly S[],
  benign: IntList,
  liveness: Liveness<S>,
  key: (state: S) => string,
): number | undefined {
  const live = reachesGoal(all, benign, liveness.goal);
  const recovery = new Recovery(liveness, key);
  for (let index = 0; index < all.length; index++) {
    const state = all[index];
    if (live[index] === 1 || state === undefined || !liveness.owes(state)) continue;
    if (!recovery.isPossible(state)) return index;
  }
  return undefined;
}

function reachesGoal<S>(all: readonly S[], benign: IntList, goal: (state: S) => boolean): Uint8Array {
  const { first, sources } = sourcesByTarget(all.length, benign);
  const live = new Uint8Array(all.length);
  const todo: number[] = [];
  all.forEach((state, index) => {
    if (!goal(state)) return;
    live[index] = 1;
    todo.push(index);
  });
  for (let target = todo.pop(); target !== undefined; target = todo.pop()) {
    const end = first[target + 1] ?? 0;
    for (let at = first[target] ?? 0; at < end; at++) {
      const source = sources[at] ?? 0;
      if (live[source] === 1) continue;
      live[source] = 1;
      todo.push(source);
    }
  }
  return live;
}

/** The steps sorted by where they lead: those into `n` are sources[first[n]] to sources[first[n + 1] - 1]. */
function sourcesByTarget(count: number, pairs: IntList) {
  const first = new Int32Array(count + 1);
  for (let at = 1; at < pairs.length; at += 2) bump(first, pairs.at(at) + 1);
  for (let index = 1; index <= count; index++) bump(first, index, first[index - 1] ?? 0);
  const free = first.slice();
  const sources = new Int32Array(pairs.length / 2);
  for (let at = 0; at < pairs.length; at += 2) sources[bump(free, pairs.at(at + 1))] = pairs.at(at);
  return { first, sources };
}

/** @returns what it was before */
function bump(counts: Int32Array, index: number, by = 1): number {
  const before = counts[index] ?? 0;
  counts[index] = before + by;
  return before;
}

/** Looks for paths to a goal, and remembers every state from which there is one. */
class Recovery<S> {
  private readonly known = new Set<string>();
  private readonly liveness: Liveness<S>;
  private readonly key: (state: S) => string;

  constructor(liveness: Liveness<S>, key: (state: S) => string) {
    this.liveness = liveness;
    this.key = key;
  }

  isPossible(from: S): boolean {
    interface Visit {
      readonly state: S;
      readonly key: string;
      readonly from: Visit | undefined;
    }
    const seen = new Set([this.key(from)]);
    const queue: Visit[] = [{ state: from, key: this.key(from), from: undefined }];
    for (const visit of queue) {
      if (this.known.has(visit.key) || this.liveness.goal(visit.state)) {
        for (let at: Visit | undefined = visit; at !== undefined; at = at.from) this.known.add(at.key);
        return true;
      }
      if (queue.length > farthest) throw new Error(`no end to a recovery after ${farthest} states`);
      for (const { next, benign } of this.liveness.recovery(visit.state)) {
        const key = this.key(next);
        if (!benign || seen.has(key)) continue;
        seen.add(key);
        queue.push({ state: next, key, from: visit });
      }
    }
    return false;
  }
}
