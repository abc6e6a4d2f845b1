import { parseArgs, type ParseArgsConfig } from 'node:util';
import { declaration, flagNames, isOptionName, type OptionName } from '../config/options.js';
import type { Flags } from '../config/sources.js';
import { didYouMean, suggest } from '../config/suggest.js';
import { quote } from '../domain/address.js';
import { argumentOptions, isTopic, topics, type Topic } from './commands.js';

/** What the command line asks for. Its values are not read yet. */
export type Invocation =
  | { readonly kind: 'help'; readonly topic: Topic | undefined }
  | { readonly kind: 'version' }
  | {
      readonly kind: 'command';
      /** Undefined when none was named, or one that does not exist. */
      readonly topic: Topic | undefined;
      readonly flags: Flags;
      /** Everything that is wrong so far. */
      readonly problems: readonly string[];
    };

interface Words {
  readonly positionals: readonly string[];
  readonly flags: Map<OptionName, readonly string[]>;
  readonly switches: ReadonlySet<'help' | 'version'>;
  readonly problems: readonly string[];
}

/** Options may stand before and after the command. Nothing that a password may be part of is quoted. */
export function parseCommandLine(args: readonly string[]): Invocation {
  const { positionals, flags, switches, problems } = readWords(args);
  const [first, ...rest] = positionals;
  if (first === 'help' || switches.has('help')) {
    return helpFor(first === 'help' ? rest : positionals);
  }
  if (switches.has('version')) return { kind: 'version' };
  if (first === undefined) {
    // Nothing at all is no mistake to name: the answer is the help.
    const missing = args.length > 0 ? [`a command is missing; there are ${topics.join(', ')}`] : [];
    return { kind: 'command', topic: undefined, flags, problems: [...missing, ...problems] };
  }
  const { topic, extra: words, problem } = commandOf(first, rest);
  const argument = topic && argumentOptions[topic];
  const [value] = words;
  const taken = argument !== undefined && value !== undefined && !flags.has(argument);
  if (taken) flags.set(argument, [value]);
  const extra = taken ? words.slice(1) : words;
  const secretGiven = [...flags.keys()].some((name) => declaration(name).kind.secret);
  const surplus = extra.map((word) =>
    // A password with a space in it, and the quotes forgotten, ends up here.
    secretGiven
      ? 'an argument too many (not shown, it may be part of a password)'
      : `${quote(word)}: an argument too many`,
  );
  const found = [...(problem === undefined ? [] : [problem]), ...problems, ...surplus];
  if (topic === 'version' && found.length === 0) return { kind: 'version' };
  return { kind: 'command', topic, flags, problems: found };
}

function helpFor(words: readonly string[]): Invocation {
  const [first, ...rest] = words;
  if (first === undefined) return { kind: 'help', topic: undefined };
  const { topic, problem } = commandOf(first, rest);
  if (problem === undefined) return { kind: 'help', topic };
  return { kind: 'command', topic: undefined, flags: new Map(), problems: [problem] };
}

interface Found {
  readonly topic: Topic | undefined;
  readonly extra: readonly string[];
  readonly problem?: string;
}

function commandOf(first: string, rest: readonly string[]): Found {
  if (isTopic(first)) return { topic: first, extra: rest };
  if (first === 'config') {
    if (rest[0] === 'show') return { topic: 'show-config', extra: rest.slice(1) };
    return { topic: undefined, extra: [], problem: 'config: the command is `pgcm config show`' };
  }
  const hint = didYouMean(suggest(first, topics)) || `; there are ${topics.join(', ')}`;
  return { topic: undefined, extra: [], problem: `${quote(first)}: no such command${hint}` };
}

const parseOptions: ParseArgsConfig['options'] = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  ...Object.fromEntries(
    flagNames.map((name) => [
      name,
      { type: declaration(name).kind.label === '' ? 'boolean' : 'string' } as const,
    ]),
  ),
};

function readWords(args: readonly string[]): Words {
  const positionals: string[] = [];
  const flags = new Map<OptionName, readonly string[]>();
  const switches = new Set<'help' | 'version'>();
  const problems: string[] = [];
  // The word after an unknown option is most likely its value, and not a command or a surplus argument.
  let valueOfUnknown: number | undefined;
  for (const token of tokensOf(args)) {
    if (token.kind === 'positional') {
      if (token.index !== valueOfUnknown || isTopic(token.value)) positionals.push(token.value);
    } else if (token.kind === 'option') {
      const { name, value, index } = token;
      if (name === 'help' || name === 'version') {
        switches.add(name);
      } else if (!isFlag(name)) {
        const problem = unknownOption(args[index] ?? '');
        if (!problems.includes(problem)) problems.push(problem);
        if (value === undefined) valueOfUnknown = index + 1;
      } else if (value === undefined && declaration(name).kind.label !== '') {
        problems.push(`--${name}: its value is missing`);
      } else {
        flags.set(name, [...(flags.get(name) ?? []), value ?? 'true']);
      }
    }
  }
  return { positionals, flags, switches, problems };
}

function isFlag(name: string): name is OptionName {
  return isOptionName(name) && flagNames.includes(name);
}

type Token = NonNullable<ReturnType<typeof parse>['tokens']>[number];

function parse(
  args: readonly string[],
): ReturnType<
  typeof parseArgs<{ strict: false; tokens: true; options: NonNullable<ParseArgsConfig['options']> }>
> {
  return parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: parseOptions ?? {},
  });
}

/**
 * The words in order, with two readings of parseArgs put right by starting again behind them: `--a --b`
 * is to it an option a with the value "--b", where a's value is missing; and `-abc` is many options, one of
 * which may be help and another the end of all options, where it is one word that pgcm does not know.
 */
function tokensOf(args: readonly string[], offset = 0): readonly Token[] {
  const tokens: Token[] = [];
  for (const token of parse(args).tokens) {
    const here = { ...token, index: token.index + offset };
    if (here.kind === 'option') {
      const valueMissing = here.inlineValue === false && here.value.startsWith('--');
      const clustered = !here.rawName.startsWith('--') && args[token.index] !== here.rawName;
      if (valueMissing || clustered) {
        const name = clustered ? here.rawName : here.name;
        const next = token.index + 1;
        const bare = { ...here, name, value: undefined, inlineValue: undefined };
        return [...tokens, bare, ...tokensOf(args.slice(next), offset + next)];
      }
    }
    tokens.push(here);
  }
  return tokens;
}

/** What stands behind `=` or directly behind a short option's letter is not shown: it may be a password. */
function unknownOption(arg: string): string {
  const [written = ''] = arg.split('=');
  const name = written.replace(/^-+/, '');
  const meant = isFlag(name) ? name : suggest(name, flagNames);
  const short = !written.startsWith('--') && meant === undefined;
  return `${short ? written.slice(0, 2) : written}: no such option${didYouMean(meant && `--${meant}`)}`;
}
