import type { Run } from './arenas.js';
import { clusterModel } from './cluster.js';
import { recordText } from './environment.js';
import type { Story } from './explorer.js';
import { explore } from './explorer.js';
import { acknowledges, lost } from './properties.js';
import type { State } from './state.js';
import { nameOf } from './state.js';
import type { ModelStep, World } from './world.js';
import { calm } from './world.js';

/** What was found, as lines for a reader: who did what, and what the record says whenever it changes. */
export function tell({ world, exploration }: Run): readonly string[] {
  const { finding } = exploration;
  if (finding.kind === 'nothing') return ['nothing was found'];
  const { start, steps } = finding.story;
  const lines = [
    `  at first: ${recordText(start.record)}`,
    ...steps.flatMap((step, at) => tellStep(step, at, steps, start)),
  ];
  if (finding.kind === 'stuck') {
    return [
      ...lines,
      '  stuck: an entitled member is there, and nothing leads to a primary that acknowledges',
    ];
  }
  return [...lines, `  broken: ${finding.why}`, ...consequence(world, finding.story)];
}

function tellStep(step: ModelStep, at: number, steps: readonly ModelStep[], start: State): readonly string[] {
  const before = at === 0 ? start : steps[at - 1]?.next;
  const line = `  ${String(at + 1).padStart(2)}. ${step.what}`;
  const { record } = step.next;
  return record === before?.record ? [line] : [line, `        record: ${recordText(record)}`];
}

/**
 * A state that must not be is not yet a loss that clients see: the shortest way from it to one. Only crashes are
 * needed for that, and perhaps a timeline more than the exploration had.
 */
function consequence({ rules, bounds }: World, { start, steps }: Story<State>): readonly string[] {
  const from = steps.at(-1)?.next ?? start;
  const seen = (state: State) => (acknowledges(rules, state) ? lost(state) : undefined);
  if (from.acknowledged === 0 || seen(from) !== undefined) return [];
  const faults = { ...calm, crash: true };
  const world = {
    rules,
    bounds: { ...bounds, timelines: bounds.timelines + 1, commits: from.issued, faults },
  };
  const { finding } = explore(clusterModel(world, [from]), { broken: seen }, { states: 20_000, depth: 30 });
  if (finding.kind !== 'broken') return [];
  const more = finding.story.steps;
  const primary = more.at(-1)?.next.record.primary ?? from.record.primary;
  return [
    '  and then, for instance:',
    ...more.flatMap((step, at) => tellStep(step, at, more, from)).map((line) => `  ${line}`),
    `  clients see it: ${nameOf(primary)} takes writes, and does not have it`,
  ];
}

/** How much was looked at, so that nobody takes it for more than it is. */
export function sizeOf({ exploration, ms }: Run): string {
  const { finding, states, steps, depth, complete } = exploration;
  const whole = complete ? 'all of them' : 'NOT all of them, and recovery not looked at';
  const reach = `${finding.kind === 'broken' ? 'until it was found' : whole}, ${depth} steps deep`;
  const count = (number: number) => number.toLocaleString('en');
  return `${count(states)} states, ${count(steps)} steps, ${reach}, ${(ms / 1000).toFixed(1)} s`;
}
