import { quote } from '../domain/address.js';
import type { OutputSettings } from '../domain/output.js';
import { duration, path, text, tomlString, type Kind, type Reading } from './kinds.js';
import { didYouMean, suggest } from './suggest.js';

interface Field<T> {
  readonly kind: Kind<T>;
  /** Undefined: it has to be given. */
  readonly default: { readonly value: T } | undefined;
  readonly explain: string;
}

function field<T>(kind: Kind<T>, explain: string, fallback?: { readonly value: NoInfer<T> }): Field<T> {
  return { kind, explain, default: fallback };
}

/** The keys of an `[[output]]`, in the order in which they are shown. */
export const outputFields: { readonly [K in keyof OutputSettings]: Field<OutputSettings[K]> } = {
  name: field(
    matching('NAME', /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a word of letters, digits, dots, dashes'),
    'What logs and metrics call it.',
  ),
  template: field(path('refused'), 'The template. What it may use stands in docs/outputs.md.'),
  file: field(path('refused'), 'The file that is made from it. Its folder must be writable for pgcm.'),
  owner: field(
    matching(
      'USER[:GROUP]',
      /^([A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?)?$/,
      'USER or USER:GROUP',
    ),
    'Who owns the file, by name or number. Unless set, as the file that is there, else who runs pgcm.',
    { value: '' },
  ),
  mode: field(
    octal(),
    'Its permissions, in octal between quotes. Unless set, as the file that is there, else 0640.',
    { value: undefined },
  ),
  check: field(
    command('needed'),
    'A program with its arguments that says by exit status 0 that the new file is good; {file} in them is its path, before it ' +
      'is put in place. No shell is involved. While it fails, the old file stays.',
    { value: [] },
  ),
  reload: field(
    command('optional'),
    'A program with its arguments that makes the file known, once it is in place. It has to end by itself, and is ' +
      'repeated until it succeeds.',
    { value: [] },
  ),
  timeout: field(
    duration(),
    'How long check and reload may take each; then they are killed. Clients of this output, and no others, are ' +
      'without the new primary until a later attempt succeeds.',
    { value: 10_000 },
  ),
};

const fieldNames = Object.keys(outputFields) as readonly (keyof OutputSettings)[];

function outputField(name: keyof OutputSettings): Field<unknown> {
  return outputFields[name];
}

/** All `[[output]]` blocks. Only a TOML file can hold them. */
export function outputBlocks(): Kind<readonly OutputSettings[]> {
  const refuse = (): Reading<never> => wrong('only a TOML file can hold these: write [[output]] there');
  return {
    label: 'BLOCK...',
    secret: false,
    list: true,
    read: refuse,
    readToml: (value) =>
      Array.isArray(value) && value.every(isTable) ? readBlocks(value) : wrong('write each as [[output]]'),
    toToml: (blocks) => blocks.map(blockToml).join('\n\n'),
    toText: (blocks) => blocks.map(({ name }) => name).join(','),
  };
}

/** What an `[[output]]` looks like, commented out, for a configuration that has none. */
export function exampleBlock(): string {
  const lines = fieldNames.map((name) => `# ${name} = ${exampleValues[name]}`);
  return ['# [[output]]', ...lines].join('\n');
}

const exampleValues: { readonly [K in keyof OutputSettings]: string } = {
  name: '"haproxy"',
  template: '"/etc/haproxy/haproxy.cfg.template"',
  file: '"/etc/haproxy/haproxy.cfg"',
  owner: '"root:haproxy"',
  mode: '"0640"',
  check: '["/usr/sbin/haproxy", "-c", "-f", "{file}"]',
  reload: '["/usr/bin/systemctl", "reload", "haproxy"]',
  timeout: '"10s"',
};

/** The keys as a Markdown table. */
export function outputTable(): string {
  const rows = fieldNames.map((name) => {
    const { kind, default: fallback, explain } = outputField(name);
    const usual = fallback === undefined ? 'to be given' : `\`${kind.toText(fallback.value) || 'none'}\``;
    return [`\`${name}\``, kind.label, usual, explain];
  });
  const lines = [['key', 'value', 'default', 'what it is for'], ['---', '---', '---', '---'], ...rows];
  return lines.map((cells) => `| ${cells.join(' | ').replaceAll('\n', ' ')} |\n`).join('');
}

function readBlocks(
  tables: readonly Readonly<Record<string, unknown>>[],
): Reading<readonly OutputSettings[]> {
  const problems: string[] = [];
  const blocks = tables.map((table, at) => {
    const { block, wrongs } = readBlock(table);
    const label = typeof table['name'] === 'string' ? quote(table['name']) : `number ${at + 1}`;
    problems.push(...wrongs.map((why) => `${label}: ${why}`));
    return block;
  });
  for (const key of ['name', 'file'] as const) {
    const values = blocks.map((block) => block[key]).filter((value) => value !== undefined);
    const twice = values.find((value, at) => values.indexOf(value) !== at);
    if (twice !== undefined) problems.push(`two have the ${key} ${quote(twice)}`);
  }
  return problems.length > 0 ? wrong(problems.join('; ')) : { ok: true, value: blocks as OutputSettings[] };
}

function readBlock(table: Readonly<Record<string, unknown>>): {
  readonly block: Partial<OutputSettings>;
  readonly wrongs: readonly string[];
} {
  const wrongs = Object.keys(table)
    .filter((key) => !Object.hasOwn(outputFields, key))
    .map((key) => `${quote(key)} is no key of an output${didYouMean(suggest(key, fieldNames))}`);
  const block: Record<string, unknown> = {};
  for (const name of fieldNames) {
    const { kind, default: fallback } = outputField(name);
    if (table[name] === undefined) {
      if (fallback === undefined) wrongs.push(`${name} is missing`);
      block[name] = fallback?.value;
      continue;
    }
    const reading = kind.readToml(table[name]);
    if (reading.ok) block[name] = reading.value;
    else wrongs.push(`${name}: ${reading.why}`);
  }
  return { block, wrongs };
}

function blockToml(block: OutputSettings): string {
  const lines = fieldNames.map((name) => {
    const { kind } = outputField(name);
    const value = block[name];
    return value === undefined ? `# ${name} = ${exampleValues[name]}` : `${name} = ${kind.toToml(value)}`;
  });
  return ['[[output]]', ...lines].join('\n');
}

/** A program with its arguments: an array, as nothing here is split as a shell would. */
function command(placeholder: 'needed' | 'optional'): Kind<readonly string[]> {
  const base = text({ empty: 'allowed' }, 'COMMAND');
  const readToml = (value: unknown): Reading<readonly string[]> => {
    if (!Array.isArray(value)) return wrong('write an array: ["/usr/bin/program", "an argument"]');
    const parts: string[] = [];
    for (const part of value as readonly unknown[]) {
      const reading = base.readToml(part);
      if (!reading.ok) return reading;
      parts.push(reading.value);
    }
    if (parts.length > 0 && parts[0] === '') return wrong('its program is the empty text');
    if (parts.length > 0 && placeholder === 'needed' && !parts.some((part) => part.includes('{file}'))) {
      return wrong('{file} stands nowhere in it, so it would not look at the new file');
    }
    return { ok: true, value: parts };
  };
  return {
    label: 'ARRAY',
    secret: false,
    list: false,
    read: () => wrong('write it in a TOML file'),
    readToml,
    toToml: (parts) => `[${parts.map(tomlString).join(', ')}]`,
    toText: (parts) => parts.join(' '),
  };
}

function octal(): Kind<number | undefined> {
  const base = matching('OCTAL', /^0?[0-7]{3}$/, 'three octal digits, as in "0640"');
  const read = (reading: Reading<string>): Reading<number | undefined> =>
    reading.ok ? { ok: true, value: Number.parseInt(reading.value, 8) } : reading;
  const written = (mode: number | undefined): string =>
    mode === undefined ? '' : `0${mode.toString(8).padStart(3, '0')}`;
  return {
    ...base,
    read: (value) => read(base.read(value)),
    readToml: (value) =>
      // TOML reads 0640 as nothing and 640 as a decimal number.
      typeof value === 'number' ? wrong('write it between quotes: "0640"') : read(base.readToml(value)),
    toToml: (mode) => tomlString(written(mode)),
    toText: written,
  };
}

function matching(label: string, pattern: RegExp, expected: string): Kind<string> {
  const base = text({ empty: 'allowed' }, label);
  const read = (value: string): Reading<string> =>
    pattern.test(value) ? { ok: true, value } : wrong(`${quote(value)} is not ${expected}`);
  return {
    ...base,
    read,
    readToml: (value) => (typeof value === 'string' ? read(value) : base.readToml(value)),
  };
}

function wrong(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why };
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
