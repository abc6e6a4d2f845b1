import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from '../../bench/errors.js';
import { repository } from '../../playground/paths.js';
import type { AgentName } from '../../playground/plan.js';
import { openers, type FaultKind } from './kinds.js';

export const help = `Usage: npm run torture -- [--minutes N] [--seed N] [--fencing on|off] [...]

Breaks a real cluster in random ways, several at once, while clients write and remember what was acknowledged; looks after
each storm that every acknowledged row is there, that no two primaries have acknowledged, and that the cluster has
recovered without anybody's help (docs/torture.md).

  --minutes N    no storm begins after so long (10)
  --seed N       decides all that is decided beforehand; a random one unless given
  --fencing off  a cluster without fencing (on)
  --agent NAME   the resource agent: pgcm or stock (pgcm)
  --opener KIND  each storm opens with it: move, stale successor, ...
  --plant NAME   with a bug planted into a copy of pgcm: it has to be found
  --list         name the bugs that can be planted, and the kinds of faults
  --out FOLDER   where the timeline goes, and the evidence of a violation (dist/torture)
  --name NAME    the playground's (torture)
  --keep         leave the playground up after a violation

Exit status: 0 nothing was found, 1 a violation (or it could not be run), 2 wrong usage.
`;

export interface TortureOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly fencing: boolean;
  readonly agent: AgentName;
  readonly opener: FaultKind | undefined;
  readonly plant: string | undefined;
  readonly out: string;
  readonly name: string;
  readonly keep: boolean;
}

/** @throws UsageError */
export function parseOptions(argv: readonly string[]): TortureOptions | 'help' | 'list' {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        minutes: { type: 'string', default: '10' },
        seed: { type: 'string' },
        fencing: { type: 'string', default: 'on' },
        agent: { type: 'string', default: 'pgcm' },
        opener: { type: 'string' },
        plant: { type: 'string' },
        list: { type: 'boolean', default: false },
        out: { type: 'string', default: join(repository, 'dist', 'torture') },
        name: { type: 'string', default: 'torture' },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (values.help) return 'help';
  if (values.list) return 'list';
  const { agent, plant, out, name, keep } = values;
  if (agent !== 'pgcm' && agent !== 'stock') throw new UsageError(`--agent: '${agent}' is not pgcm or stock`);
  if (values.fencing !== 'on' && values.fencing !== 'off') throw new UsageError('--fencing is on or off');
  const opener = openers.find((kind) => kind === values.opener);
  if (opener !== values.opener) throw new UsageError(`--opener is one of ${openers.join(', ')}`);
  return {
    ...{ opener, agent, plant, out, name, keep, fencing: values.fencing === 'on' },
    minutes: wholeNumber('minutes', values.minutes),
    seed: values.seed === undefined ? Date.now() % 1_000_000 : wholeNumber('seed', values.seed),
  };
}

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(`--${option}: '${text}' is not a whole number`);
}
