import { defaultText, usersText } from './describe.js';
import { declaration, optionNames } from './options.js';
import { outputTable } from './output-blocks.js';

/** All options as a Markdown table. */
export function optionsTable(): string {
  const rows = optionNames.map((name) => {
    const { kind, explain, onlyInFile } = declaration(name);
    if (onlyInFile === true) return [code(`[[${name}]]`), code('none'), usersText(name), escape(explain)];
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
  return withTable(document, 'options', optionsTable());
}

/** The same for the keys of an `[[output]]`. */
export function withOutputTable(document: string): string {
  return withTable(document, 'output', outputTable());
}

function withTable(document: string, name: string, table: string): string {
  const first = `<!-- ${name}:start -->`;
  const last = `<!-- ${name}:end -->`;
  const start = document.indexOf(first);
  const end = document.indexOf(last);
  if (start < 0 || end < start) throw new Error(`the document has no ${first} followed by ${last}`);
  return `${document.slice(0, start + first.length)}\n\n${table}\n${document.slice(end)}`;
}

function code(text: string): string {
  return `\`${escape(text)}\``;
}

/** A bar would end the cell, also within backquotes. */
function escape(text: string): string {
  return text.replaceAll('|', '\\|');
}
