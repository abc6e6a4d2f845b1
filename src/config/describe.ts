import { commandNames } from './command-names.js';
import { declaration, type OptionName } from './options.js';

/** The default for people: `5s`, `none`, `that of pause-expiry`. */
export function defaultText(name: OptionName): string {
  const { kind, default: value, follows } = declaration(name);
  if (follows !== undefined) return `that of ${follows}`;
  return kind.toText(value) || 'none';
}

/** `all commands`, or `supervise and proxy`. */
export function usersText(name: OptionName): string {
  const { commands } = declaration(name);
  return commands.length === commandNames.length ? 'all commands' : commands.join(' and ');
}
