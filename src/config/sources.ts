import { commandNames, type CommandName } from './command-names.js';
import type { Reading } from './kinds.js';
import {
  declaration,
  flagNames,
  isOptionName,
  optionNames,
  variableName,
  type OptionName,
} from './options.js';
import { didYouMean, suggest } from './suggest.js';
import type { TomlFile } from './toml-file.js';

/** Where a value comes from; a later one wins over an earlier one. */
export const origins = ['default', 'file', 'environment', 'flag'] as const;
export type Origin = (typeof origins)[number];

/** A value that some source has for an option, read or not. */
export interface Candidate {
  readonly name: OptionName;
  readonly origin: Origin;
  /** For messages: `--etcd-timeout`, `PGCM_ETCD_TIMEOUT`, `/etc/pgcm.toml:3: etcd-timeout`. */
  readonly where: string;
  readonly reading: Reading<unknown>;
}

/** What one source says. Problems forbid a start, warnings only want to be read. */
export interface Source {
  readonly candidates: readonly Candidate[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Every value that the command line has for an option, in order. */
export type Flags = ReadonlyMap<OptionName, readonly string[]>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The flags of a command. Without a command (show-config) those of all commands are fine. */
export function fromFlags(flags: Flags, command: CommandName | undefined): Source {
  const candidates: Candidate[] = [];
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const [name, values] of flags) {
    const { kind, commands } = declaration(name);
    const where = `--${name}`;
    if (command !== undefined && !commands.includes(command)) {
      problems.push(`${where}: ${command} does not use it (${commands.join(' and ')} would)`);
    }
    if (kind.secret) {
      warnings.push(`${where}: every user of this machine can read it in the list of processes`);
    }
    const text = kind.list ? values.join(',') : (values.at(-1) ?? '');
    candidates.push({ name, origin: 'flag', where, reading: kind.read(text) });
  }
  return { candidates, problems, warnings };
}

/** PGCM_ and the option's name. An empty variable counts as one that is not there, as it did for viper. */
export function fromEnvironment(env: Environment): Source {
  const candidates = flagNames.flatMap((name): Candidate[] => {
    const where = variableName(name);
    const text = env[where];
    if (text === undefined || text === '') return [];
    return [{ name, origin: 'environment', where, reading: declaration(name).kind.read(text) }];
  });
  const variables = flagNames.map(variableName);
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const unknown of Object.keys(env).filter(
    (key) => key.startsWith('PGCM_') && !variables.includes(key),
  )) {
    const meant = nearOption(unknown);
    // An environment is inherited, and not all of it is meant for us: the playground has PGCM_ variables of
    // its own, and container platforms set PGCM_PORT for a service called pgcm. So a stranger is only
    // reported. But one that is nearly an option is a slip, and then a setting that somebody relies on
    // would silently be missing: that is refused, like an unknown flag.
    if (meant === undefined) warnings.push(`${unknown}: no option has this variable; it has no effect`);
    else problems.push(`${unknown}: no option has this variable${didYouMean(variableName(meant))}`);
  }
  return { candidates, problems, warnings };
}

/** The keys of a TOML file; those of other commands are fine. */
export function fromFile(file: TomlFile): Source {
  const candidates: Candidate[] = [];
  const problems: string[] = [];
  const { path, table } = file;
  for (const [key, value] of Object.entries(table)) {
    const where = `${path}:${file.lineOf(key)}: ${key}`;
    if (!isOptionName(key)) {
      const hint = commandOrTable(key, value) ?? didYouMean(suggest(key, optionNames));
      problems.push(`${where}: no such option${hint}`);
    } else if (key === 'config-file') {
      // Files printed by show-config of pgsql-cluster-manager hold it, empty or with their own name.
      if (value !== '' && value !== path) problems.push(`${where}: a file cannot name another one`);
    } else {
      candidates.push({ name: key, origin: 'file', where, reading: declaration(key).kind.readToml(value) });
    }
  }
  return { candidates, problems, warnings: [] };
}

function nearOption(variable: string): OptionName | undefined {
  const meant = suggest(variable.slice('PGCM_'.length), flagNames);
  return flagNames.find((name) => name === meant);
}

function commandOrTable(key: string, value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const example = commandNames.find((name) => name === key)
    ? 'the options of all commands stand at the top'
    : `keys are not nested: ${optionNames.find((name) => name.startsWith(`${key}-`)) ?? 'etcd-timeout'} = ...`;
  return ` (${example})`;
}
