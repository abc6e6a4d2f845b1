import { parseArgs } from 'node:util';
import { messageOf, PlaygroundError } from '../errors.js';
import { type AgentName, agentNames } from '../plan.js';

export interface Arguments {
  readonly command: CommandName;
  readonly positionals: readonly string[];
  readonly name: string;
  readonly nodes: number;
  readonly apps: number;
  readonly agent: AgentName;
  readonly timeoutMs: number;
  readonly json: boolean;
  readonly keepOnFailure: boolean;
}

/** Each command with the options it knows besides --name, and how many arguments it takes. */
const commands = {
  up: { options: ['nodes', 'apps', 'agent', 'timeout', 'keep-on-failure'], least: 0, most: 0, usage: 'up' },
  down: { options: [], least: 0, most: 0, usage: 'down' },
  status: { options: ['json'], least: 0, most: 0, usage: 'status' },
  exec: { options: [], least: 1, most: Infinity, usage: 'exec NODE [CMD...]' },
  psql: { options: [], least: 1, most: Infinity, usage: 'psql NODE [ARGS...]' },
  kill: { options: [], least: 1, most: 1, usage: 'kill NODE' },
  start: { options: [], least: 1, most: 1, usage: 'start NODE' },
  cut: { options: [], least: 1, most: 1, usage: 'cut NODE' },
  heal: { options: [], least: 1, most: 1, usage: 'heal NODE' },
  fencing: { options: [], least: 1, most: 1, usage: 'fencing ok|fail' },
  layer: { options: [], least: 1, most: Infinity, usage: 'layer ensure | layer exec -- CMD [ARG...]' },
  purge: { options: [], least: 0, most: 0, usage: 'purge' },
} as const;

export type CommandName = keyof typeof commands;

const optionTypes = {
  name: { type: 'string', default: 'main' },
  nodes: { type: 'string', default: '3' },
  apps: { type: 'string', default: '1' },
  agent: { type: 'string', default: 'pgcm' },
  timeout: { type: 'string', default: '180' },
  json: { type: 'boolean', default: false },
  'keep-on-failure': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * @returns 'help' when that is what was asked for
 * @throws PlaygroundError (exit status 2) with one line for anything that is not understood
 */
export function parseArguments(argv: readonly string[]): Arguments | 'help' {
  const [own, inner] = splitInner(argv);
  const { values, positionals, tokens } = parse(own);
  if (values.help || positionals[0] === 'help') return 'help';
  const [word, ...rest] = [...positionals, ...inner];
  if (word === undefined) throw wrong('no command given');
  if (!isCommand(word)) throw wrong(`unknown command '${word}'`);
  const { options, least, most, usage } = commands[word];
  const foreign = tokens.find(
    (token) =>
      token.kind === 'option' &&
      token.name !== 'name' &&
      !(options as readonly string[]).includes(token.name),
  );
  if (foreign?.kind === 'option') throw wrong(`${word} has no option --${foreign.name}`);
  if (rest.length < least || rest.length > most) throw wrong(`usage: ${usage}`);
  return {
    command: word,
    positionals: rest,
    name: values.name,
    nodes: wholeNumber('nodes', values.nodes),
    apps: wholeNumber('apps', values.apps),
    agent: agentName(values.agent),
    timeoutMs: wholeNumber('timeout', values.timeout) * 1000,
    json: values.json,
    keepOnFailure: values['keep-on-failure'],
  };
}

/** What follows the node's name in exec and psql belongs to the command inside, options too. */
function splitInner(argv: readonly string[]): [string[], string[]] {
  const words: number[] = [];
  for (let index = 0; index < argv.length && words.length < 2; index++) {
    const word = argv[index] ?? '';
    if (!word.startsWith('-')) words.push(index);
    else if (/^--(name|nodes|apps|agent|timeout)$/.test(word)) index++;
  }
  const [command, node] = words;
  const takesInner = command !== undefined && ['exec', 'psql', 'layer'].includes(argv[command] ?? '');
  if (!takesInner || node === undefined) return [[...argv], []];
  const inner = argv.slice(node + 1);
  return [argv.slice(0, node + 1), inner[0] === '--' ? inner.slice(1) : inner];
}

type Parsed = ReturnType<
  typeof parseArgs<{ options: typeof optionTypes; allowPositionals: true; tokens: true }>
>;

function parse(args: string[]): Parsed {
  try {
    return parseArgs({ args, options: optionTypes, allowPositionals: true, tokens: true });
  } catch (error) {
    throw wrong(messageOf(error).split('. ')[0] ?? '');
  }
}

function isCommand(word: string): word is CommandName {
  return Object.hasOwn(commands, word);
}

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw wrong(`--${option}: '${text}' is not a whole number`);
}

function agentName(text: string): AgentName {
  const found = agentNames.find((name) => name === text);
  if (found !== undefined) return found;
  throw wrong(`--agent: '${text}' is not ${agentNames.join(' or ')}`);
}

function wrong(message: string): PlaygroundError {
  return new PlaygroundError(`${message} (see: npm run playground -- --help)`, 2);
}
