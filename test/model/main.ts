import { parseArgs } from 'node:util';
import type { Arena } from './arenas.js';
import { arenas, isArena, runArena } from './arenas.js';
import type { Rule } from './rules.js';
import { isRule, rules } from './rules.js';
import { sizeOf, tell } from './story.js';
import type { Bounds, Faults } from './world.js';

const help = `Usage: npm run model -- [--arena NAME] [--without RULE]... [bounds]

Explores every course of the protocol that decides who may be promoted (docs/model.md), up to bounds.
Exit status: 0 nothing was found, 1 something was, and is told; 2 wrong usage.

  --arena NAME       ${Object.keys(arenas).join(', ')} (default: pair); what follows changes it
  --without RULE     leave out a rule: ${Object.keys(rules).join(', ')}
  --members N        2 to 4
  --standbys N       sync-standbys, 1 to 3
  --commits N        how many commits clients make, up to 6
  --timelines N      the highest timeline number, up to 7
  --depth N          how many steps at most
  --states N         how many states at most (a million of them takes about 1 GB)
  --strict           sync-mode=strict
  --safety           do not look for states that could recover and never do
  --faults LIST      of crash, orphans, cut, successor, unfenced, move, doubt=N, losses=N
  --list             the arenas and the rules
`;

const options = {
  arena: { type: 'string', default: 'pair' },
  without: { type: 'string', multiple: true },
  members: { type: 'string' },
  standbys: { type: 'string' },
  commits: { type: 'string' },
  timelines: { type: 'string' },
  depth: { type: 'string' },
  states: { type: 'string' },
  strict: { type: 'boolean' },
  safety: { type: 'boolean' },
  faults: { type: 'string' },
  list: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

class WrongUsage extends Error {}

function main(args: readonly string[]): number {
  const { values } = parseArgs({ args: [...args], options });
  if (values.help === true) return print(help);
  if (values.list === true) return print(list());
  if (!isArena(values.arena)) throw new WrongUsage(`there is no arena '${values.arena}'`);
  const arena = changed(arenas[values.arena], values);
  const without = (values.without ?? []).map((text): Rule => {
    if (isRule(text)) return text;
    throw new WrongUsage(`there is no rule '${text}'`);
  });
  print(`${JSON.stringify(arena.bounds)}\n`);
  const run = runArena(arena, without);
  print(`${tell(run).join('\n')}\n${sizeOf(run)}\n`);
  return run.exploration.finding.kind === 'nothing' ? 0 : 1;
}

interface Values {
  readonly members?: string | undefined;
  readonly standbys?: string | undefined;
  readonly commits?: string | undefined;
  readonly timelines?: string | undefined;
  readonly depth?: string | undefined;
  readonly states?: string | undefined;
  readonly strict?: boolean | undefined;
  readonly safety?: boolean | undefined;
  readonly faults?: string | undefined;
}

function changed(arena: Arena, values: Values): Arena {
  const { bounds, limits } = arena;
  const members = number(values.members, 'members', 2, 4) ?? bounds.members;
  const standbys = number(values.standbys, 'standbys', 1, 3) ?? bounds.standbys;
  const isSameSize = members === bounds.members && standbys === bounds.standbys;
  const changedBounds: Bounds = {
    members,
    standbys,
    commits: number(values.commits, 'commits', 0, 6) ?? bounds.commits,
    timelines: number(values.timelines, 'timelines', 1, 7) ?? bounds.timelines,
    strict: values.strict ?? bounds.strict,
    faults: values.faults === undefined ? bounds.faults : faults(values.faults),
  };
  return {
    about: arena.about,
    bounds: changedBounds,
    entitled: isSameSize ? arena.entitled : [(2 << Math.min(standbys, members - 1)) - 1],
    liveness: arena.liveness && values.safety !== true,
    limits: {
      states: number(values.states, 'states', 1, 16_000_000) ?? limits.states,
      depth: number(values.depth, 'depth', 1, 1000) ?? limits.depth,
    },
  };
}

function number(text: string | undefined, name: string, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new WrongUsage(`--${name} is ${least} to ${most}, not '${text}'`);
}

function faults(text: string): Faults {
  const words = new Map(text.split(',').map((word) => splitWord(word)));
  const result: Faults = {
    crash: words.has('crash'),
    orphans: words.has('orphans'),
    cut: words.has('cut'),
    doubt: number(words.get('doubt'), 'faults doubt', 0, 4) ?? 0,
    successor: words.has('successor'),
    unfenced: words.has('unfenced'),
    move: words.has('move'),
    losses: number(words.get('losses'), 'faults losses', 0, 4) ?? 0,
  };
  const unknown = [...words.keys()].filter((word) => word !== '' && !Object.hasOwn(result, word));
  if (unknown.length > 0) throw new WrongUsage(`there is no fault '${unknown.join(', ')}'`);
  return result;
}

function splitWord(word: string): readonly [string, string] {
  const [name = '', value = '1'] = word.split('=');
  return [name, value];
}

function list(): string {
  const lines = [
    ...Object.entries(arenas).map(([name, { about }]) => `arena ${name.padEnd(12)} ${about}`),
    ...Object.entries(rules).map(([name, text]) => `rule  ${name.padEnd(12)} ${text}`),
  ];
  return `${lines.join('\n')}\n`;
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  const isUsage = error instanceof WrongUsage || (error instanceof TypeError && 'code' in error);
  if (!isUsage) throw error;
  process.stderr.write(`${error.message} (--help)\n`);
  process.exitCode = 2;
}
