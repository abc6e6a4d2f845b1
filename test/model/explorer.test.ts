import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Finding, Model, Step } from './explorer.js';
import { explore } from './explorer.js';

const noLimits = { states: 1_000_000, depth: Infinity };
const never = { broken: () => undefined };

/** Two jugs, of 3 and of 5 litres, and a tap. */
interface Jugs {
  readonly small: number;
  readonly large: number;
}

const jugs: Model<Jugs> = {
  initial: [{ small: 0, large: 0 }],
  key: ({ small, large }) => `${small},${large}`,
  steps: ({ small, large }) => {
    const toLarge = Math.min(small, 5 - large);
    const toSmall = Math.min(large, 3 - small);
    return [
      step('fill small', { small: 3, large }),
      step('fill large', { small, large: 5 }),
      step('empty small', { small: 0, large }),
      step('empty large', { small, large: 0 }),
      step('small to large', { small: small - toLarge, large: large + toLarge }),
      step('large to small', { small: small + toSmall, large: large - toSmall }),
    ];
  },
};

/** Two processes that each need both of two locks; who holds a lock, or -1, and what each has done. */
interface Locks {
  readonly holders: readonly [number, number];
  readonly done: readonly [boolean, boolean];
}

function locks(orders: readonly [readonly [0 | 1, 0 | 1], readonly [0 | 1, 0 | 1]]): Model<Locks> {
  return {
    initial: [{ holders: [-1, -1], done: [false, false] }],
    key: ({ holders, done }) => [...holders, ...done].join(),
    steps: (state) => orders.flatMap((order, process) => locksOf(state, process, order)),
  };
}

function locksOf(state: Locks, process: number, order: readonly (0 | 1)[]): readonly Step<Locks>[] {
  const { holders, done } = state;
  if (done[process] === true) return [];
  const missing = order.find((lock) => holders[lock] !== process);
  if (missing === undefined) {
    const after = done.map((each, index) => each || index === process) as [boolean, boolean];
    return [step(`${process} is done`, { holders: free(holders, process), done: after })];
  }
  if (holders[missing] !== -1) return [];
  const taken = holders.map((holder, lock) => (lock === missing ? process : holder)) as [number, number];
  return [step(`${process} takes ${missing}`, { holders: taken, done })];
}

function free(holders: Locks['holders'], process: number): [number, number] {
  return holders.map((holder) => (holder === process ? -1 : holder)) as [number, number];
}

function step<S>(what: string, next: S, benign = true): Step<S> {
  return { what, next, benign };
}

function words<S>(finding: Finding<S>): readonly string[] {
  return finding.kind === 'nothing' ? [] : finding.story.steps.map(({ what }) => what);
}

/** Both have had both locks. */
function allDone({ done }: Locks): boolean {
  return done[0] && done[1];
}

describe('an exploration', () => {
  test('finds what must not be by a shortest path', () => {
    const broken = ({ large }: Jugs) => (large === 4 ? 'four litres' : undefined);
    const { finding, depth } = explore(jugs, { broken }, noLimits);
    assert.equal(finding.kind, 'broken');
    assert.equal(finding.why, 'four litres');
    assert.deepEqual(words(finding), [
      'fill large',
      'large to small',
      'empty small',
      'large to small',
      'fill large',
      'large to small',
    ]);
    assert.equal(depth, 5);
  });

  test('sees every state that can be reached once, and says how many', () => {
    const { finding, states, complete } = explore(jugs, never, noLimits);
    assert.equal(finding.kind, 'nothing');
    assert.equal(states, 16);
    assert.ok(complete);
  });

  test('says when a limit has kept it from seeing all', () => {
    assert.equal(explore(jugs, never, { states: 5, depth: Infinity }).complete, false);
    const shallow = explore(jugs, never, { ...noLimits, depth: 3 });
    assert.equal(shallow.complete, false);
    assert.equal(shallow.depth, 3);
    assert.ok(explore(jugs, never, { ...noLimits, depth: 100 }).complete);
  });

  test('looks at the beginning, too', () => {
    const { finding } = explore(jugs, { broken: ({ small }) => (small === 0 ? 'dry' : undefined) }, noLimits);
    assert.equal(finding.kind, 'broken');
    assert.deepEqual(words(finding), []);
  });

  test('says when a story cannot be told again, because a step depends on more than the state', () => {
    let calls = 0;
    const impure: Model<Jugs> = {
      ...jugs,
      steps: ({ small }) => [step('drifts', { small: small + 1, large: calls++ })],
    };
    assert.throws(
      () => explore(impure, { broken: ({ small }) => (small === 3 ? 'full' : undefined) }, noLimits),
      /not pure/,
    );
  });
});

describe('liveness', () => {
  const owes = (state: Locks) => !allDone(state);
  const liveness = (model: Model<Locks>) => ({ owes, goal: allDone, recovery: model.steps });

  test('a planted deadlock is found by a shortest path', () => {
    const model = locks([
      [0, 1],
      [1, 0],
    ]);
    const { finding } = explore(model, { ...never, liveness: liveness(model) }, noLimits);
    assert.equal(finding.kind, 'stuck');
    assert.deepEqual(words(finding), ['0 takes 0', '1 takes 1']);
  });

  test('without the deadlock nothing is found', () => {
    const model = locks([
      [0, 1],
      [0, 1],
    ]);
    const { finding } = explore(model, { ...never, liveness: liveness(model) }, noLimits);
    assert.equal(finding.kind, 'nothing');
  });

  /** From 0 upwards; the way down from 2 is one that nobody can count on. */
  const counter = (most: number, isBenign: (from: number) => boolean): Model<{ readonly n: number }> => ({
    initial: [{ n: 0 }],
    key: ({ n }) => String(n),
    steps: ({ n }) => [
      ...(n < most ? [step('up', { n: n + 1 }, isBenign(n))] : []),
      ...(n === 2 ? [step('down', { n: 0 }, false)] : []),
    ],
  });

  test('a way that only leads through a chance is none', () => {
    const model = counter(3, (n) => n !== 1);
    const goal = ({ n }: { readonly n: number }) => n === 3;
    const { finding } = explore(
      model,
      { ...never, liveness: { owes: () => true, goal, recovery: model.steps } },
      noLimits,
    );
    assert.equal(finding.kind, 'stuck');
    assert.deepEqual(words(finding), []);
  });

  test('what only the bounds of the exploration keep from a goal is not stuck', () => {
    const goal = ({ n }: { readonly n: number }) => n === 5;
    const bounded = counter(3, () => true);
    const stuck = { owes: () => true, goal, recovery: bounded.steps };
    const free = { ...stuck, recovery: counter(5, () => true).steps };
    assert.equal(explore(bounded, { ...never, liveness: stuck }, noLimits).finding.kind, 'stuck');
    assert.equal(explore(bounded, { ...never, liveness: free }, noLimits).finding.kind, 'nothing');
  });

  test('a state that owes nothing may end', () => {
    const model = counter(3, () => true);
    const liveness = { owes: () => false, goal: () => false, recovery: model.steps };
    assert.equal(explore(model, { ...never, liveness }, noLimits).finding.kind, 'nothing');
  });
});
