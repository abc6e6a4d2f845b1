import { hasCode, PgcmError } from '../domain/errors.js';
import type { CommandName } from './command-names.js';
import { rank, useFiles } from './files.js';
import { declaration, optionNames, options, type Config, type OptionName } from './options.js';
import { oddities, relations } from './relations.js';
import {
  fromEnvironment,
  fromFile,
  fromFlags,
  type Candidate,
  type Environment,
  type Flags,
  type Origin,
  type Source,
} from './sources.js';
import { hashOf, readTomlFile } from './toml-file.js';

/** Everything that is wrong with what the operator gave, each on a line of its own. */
export class UsageError extends PgcmError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('usage', problems.join('; '));
    this.name = 'UsageError';
    this.problems = problems;
  }
}

export interface LoadRequest {
  /** Without a command (show-config) the options of all are fine, and passwords are not read from files. */
  readonly command: CommandName | undefined;
  readonly flags: Flags;
  readonly env: Environment;
  /** What was already found wrong with the command line, to be named together with the rest. */
  readonly problems: readonly string[];
  readonly signal: AbortSignal;
}

export interface Loaded {
  readonly config: Config;
  readonly origins: ReadonlyMap<OptionName, Origin>;
  readonly file: { readonly path: string; readonly hash: string } | undefined;
  readonly warnings: readonly string[];
}

/**
 * Reads flags, environment and file, in this order of precedence, and checks everything.
 * @throws UsageError with all that is wrong
 */
export async function loadConfig(request: LoadRequest): Promise<Loaded> {
  const { command, signal } = request;
  const flags = fromFlags(request.flags, command);
  const environment = fromEnvironment(request.env);
  const file = await readFile([flags, environment], signal);
  const sources = [file.source, environment, flags];

  const problems = [...request.problems, ...[...sources].reverse().flatMap((source) => source.problems)];
  const warnings = sources.flatMap((source) => source.warnings);
  const { values, origins, wrong } = merge(sources.flatMap((source) => source.candidates));
  problems.push(...wrong.map(({ where, why }) => `${where}: ${why}`));

  const suspect = new Set(wrong.map(({ name }) => name));
  problems.push(...bothGiven(values, origins));
  const config = values as Config;
  const holds = (relation: (typeof relations)[number]): string[] => {
    if (relation.between.some((name) => suspect.has(name) || !uses(command, name))) return [];
    if (relation.onlyToRun === true && command === undefined) return [];
    const why = relation.check(config);
    return why === undefined ? [] : [why];
  };
  problems.push(...relations.flatMap(holds));
  warnings.push(...oddities.flatMap(holds), ...withoutEffect(origins));
  // After the relations: they look at what was given, not at what a file puts in its place.
  if (command !== undefined) {
    const found = await useFiles({ values, origins }, command, signal);
    problems.push(...found.problems);
    warnings.push(...found.warnings);
  }
  if (problems.length > 0) throw new UsageError(problems);
  return { config, origins, file: file.read, warnings };
}

interface Merged {
  readonly values: Record<string, unknown>;
  readonly origins: ReadonlyMap<OptionName, Origin>;
  readonly wrong: readonly { readonly name: OptionName; readonly where: string; readonly why: string }[];
}

/** Later candidates win. A wrong value is reported also when a stronger one would have hidden it. */
function merge(candidates: readonly Candidate[]): Merged {
  const values: Record<string, unknown> = {};
  for (const name of optionNames) values[name] = options[name].default;
  const origins = new Map<OptionName, Origin>();
  const wrong: { name: OptionName; where: string; why: string }[] = [];
  for (const { name, origin, where, reading } of candidates) {
    if (!reading.ok) {
      wrong.push({ name, where, why: reading.why });
      continue;
    }
    values[name] = reading.value;
    origins.set(name, origin);
  }
  for (const name of optionNames) {
    const { follows } = declaration(name);
    if (follows !== undefined && !origins.has(name)) values[name] = values[follows] || values[name];
  }
  return { values, origins, wrong };
}

function uses(command: CommandName | undefined, name: OptionName): boolean {
  return command === undefined || declaration(name).commands.includes(command);
}

/** A password and a file for it, from the same source: which one was meant cannot be known. */
function bothGiven(
  values: Readonly<Record<string, unknown>>,
  origins: ReadonlyMap<OptionName, Origin>,
): readonly string[] {
  return optionNames.flatMap((name) => {
    const direct = optionNames.find((candidate) => candidate === declaration(name).secretFor);
    if (direct === undefined || values[name] === '' || values[direct] === '') return [];
    const same = rank(origins.get(name)) === rank(origins.get(direct));
    return same ? [`${direct} and ${name} are both set: keep one`] : [];
  });
}

function withoutEffect(origins: ReadonlyMap<OptionName, Origin>): readonly string[] {
  return [...origins.keys()].flatMap((name) => {
    const { obsolete } = declaration(name);
    return obsolete === undefined ? [] : [`${name} has no effect: ${obsolete}`];
  });
}

/** The file that flags or environment name. One that cannot be used is a problem among the others. */
async function readFile(
  named: readonly Source[],
  signal: AbortSignal,
): Promise<{ readonly source: Source; readonly read: Loaded['file'] }> {
  const empty: Source = { candidates: [], problems: [], warnings: [] };
  const path = named
    .flatMap((source) => source.candidates)
    .filter(({ name }) => name === 'config-file')
    .flatMap(({ reading }) => (reading.ok ? [reading.value] : []))[0];
  if (typeof path !== 'string' || path === '') return { source: empty, read: undefined };
  try {
    const file = await readTomlFile(path, signal);
    return { source: fromFile(file), read: { path, hash: hashOf(file) } };
  } catch (error) {
    if (!hasCode(error, 'usage')) throw error;
    return { source: { ...empty, problems: [`config-file ${error.message}`] }, read: undefined };
  }
}
