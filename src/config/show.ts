import { defaultText, usersText } from './describe.js';
import type { Loaded } from './load.js';
import { declaration, optionNames, type OptionName } from './options.js';
import { exampleBlock } from './output-blocks.js';
import type { Origin } from './sources.js';
import { wrap } from './wrap.js';

const COMMENT_WIDTH = 98;

/**
 * The configuration as a TOML file that pgcm reads again: each option with its effective value, its
 * explanation above it. Commented out are passwords (whose value is not shown), the file's own name, what has
 * no effect, and what only follows another option, so that it goes on following when somebody changes that one.
 */
export function showConfig({ config, origins }: Pick<Loaded, 'config' | 'origins'>): string {
  return optionNames
    .map((name) => {
      const { explain } = declaration(name);
      const comments = [
        ...wrap(explain, COMMENT_WIDTH),
        `Default: ${defaultText(name)}. Used by ${usersText(name)}.${setBy(origins.get(name))}`,
      ];
      return [...comments.map((line) => `# ${line}`), assignment(name, config[name], origins)].join('\n');
    })
    .map((block) => `${block}\n`)
    .join('\n');
}

function assignment(name: OptionName, value: unknown, origins: Loaded['origins']): string {
  const { kind, follows, obsolete, onlyInFile } = declaration(name);
  if (onlyInFile === true) return kind.toToml(value) || exampleBlock();
  if (kind.secret) return `# ${name} = "..."`;
  const line = `${name} = ${kind.toToml(value)}`;
  const unset = (follows !== undefined || obsolete !== undefined) && !origins.has(name);
  return name === 'config-file' || unset ? `# ${line}` : line;
}

function setBy(origin: Origin | undefined): string {
  if (origin === undefined) return '';
  return ` Set by ${origin === 'environment' ? 'the environment' : `a ${origin}`}.`;
}
