import { defaultText } from '../config/describe.js';
import { declaration, optionNames, type OptionName } from '../config/options.js';
import { wrap } from '../config/wrap.js';
import { argumentOptions, commandTexts, topics, type Topic } from './commands.js';

const WIDTH = 80;

/** The help of a command, or of pgcm as a whole. */
export function help(topic: Topic | undefined): string {
  return topic === undefined ? overview() : commandHelp(topic);
}

function overview(): string {
  const column = Math.max(...topics.map((topic) => topic.length)) + 2;
  return page([
    ['Usage: pgcm COMMAND [OPTION...]'],
    wrap(
      'Moves the primary of a PostgreSQL cluster without a failed query, and keeps every client pointed at the ' +
        'primary that the cluster manager chose.',
      WIDTH,
    ),
    ['Commands:', ...topics.map((topic) => `  ${topic.padEnd(column)}${commandTexts[topic].summary}`)],
    wrap(
      '`pgcm COMMAND --help` explains a command, its options and its exit statuses. Every option can be given ' +
        'before or after the command, as a variable (PGCM_ETCD_TIMEOUT for --etcd-timeout), and in a TOML file ' +
        'named by --config-file; this is also the order in which they win.',
      WIDTH,
    ),
  ]);
}

function commandHelp(topic: Topic): string {
  const { summary, about, statuses } = commandTexts[topic];
  const own = optionNames.filter((name) => declaration(name).commands.some((command) => command === topic));
  return page([
    [`Usage: pgcm ${topic}${argumentOf(topic)} [OPTION...]`],
    wrap(`${topic}: ${summary}.`, WIDTH),
    ...about.map((paragraph) => wrap(paragraph, WIDTH)),
    ...(own.length === 0 ? [] : [optionsIntroduction(), ...own.map(optionHelp)]),
    ['Exit status:', ...statuses.flatMap(([status, meaning]) => indent(`${status}: ${meaning}`, 2))],
  ]);
}

function argumentOf(topic: Topic): string {
  const option = argumentOptions[topic];
  return option === undefined ? '' : ` ${declaration(option).kind.label}`;
}

function optionsIntroduction(): readonly string[] {
  return [
    'Options:',
    ...indent(
      'A DURATION is written 500ms, 3s or 1m30s. Where dots follow, give several values with commas between ' +
        'them, or the option several times. --etcd-timeout is also the variable PGCM_ETCD_TIMEOUT and the TOML key ' +
        'etcd-timeout, and so for all. Flags win over variables, and variables over the file.',
      2,
    ),
  ];
}

function optionHelp(name: OptionName): readonly string[] {
  const { kind, explain, onlyInFile } = declaration(name);
  if (onlyInFile === true) return [`  [[${name}]] in the TOML file`, ...indent(explain, 6)];
  const value = kind.label === '' ? '' : ` ${kind.label}`;
  return [`  --${name}${value}  (default: ${defaultText(name)})`, ...indent(explain, 6)];
}

function indent(text: string, by: number): readonly string[] {
  return wrap(text, WIDTH - by).map((line) => `${' '.repeat(by)}${line}`);
}

/** Paragraphs with an empty line between them. */
function page(paragraphs: readonly (readonly string[])[]): string {
  return `${paragraphs.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
