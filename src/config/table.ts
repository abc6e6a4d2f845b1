import { defaultText, usersText } from './describe.js';
import { declaration, optionNames } from './options.js';

const START = '<!-- options:start -->';
const END = '<!-- options:end -->';

/** All options as a Markdown table. */
export function optionsTable(): string {
  const rows = optionNames.map((name) => {
    const { kind, explain } = declaration(name);
    const value = kind.label === '' ? '' : ` ${kind.label}`;
    return [code(`--${name}${value}`), code(defaultText(name)), usersText(name), escape(explain)];
  });
  const lines = [['option', 'default', 'used by', 'what it is for'], ['---', '---', '---', '---'], ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

/**
 * The document with the table between its markers made current.
 * @throws Error when the markers are missing or stand the wrong way round
 */
export function withOptionsTable(document: string): string {
  const start = document.indexOf(START);
  const end = document.indexOf(END);
  if (start < 0 || end < start) throw new Error(`the document has no ${START} followed by ${END}`);
  return `${document.slice(0, start + START.length)}\n\n${optionsTable()}\n${document.slice(end)}`;
}

function code(text: string): string {
  return `\`${escape(text)}\``;
}

/** A bar would end the cell, also within backquotes. */
function escape(text: string): string {
  return text.replaceAll('|', '\\|');
}
