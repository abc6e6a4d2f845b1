import { z } from 'zod';
import { allRecords, type RecordEntry } from './all.js';

/** What of JSON Schema the records' declarations come out as. */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

interface Row {
  readonly path: string;
  readonly type: string;
  readonly about: string;
}

const INTRODUCTION = `# Records

What pgcm keeps in etcd, and what its commands print as JSON. This document is made from the declarations in
\`src/records/\` by \`node scripts/update-docs.mjs\`.

Every key is below \`etcd-namespace\`. Every record is checked when it is read: one that is not as described here is
reported with its key, and never taken for nothing. Keys that are not described are ignored, so that a later version can
add some. Revisions are decimal text, as they may pass 2^53; spans end in \`_ms\` and are numbers; dates are RFC 3339 and
are for people only. Texts and lists that are too long are cut when they are written and when they are read.

Two keys hold no JSON, and are those of pgsql-cluster-manager: \`/master\` (\`etcd-postgres-master-key\`) holds the bare
IP address of the primary, and the keys below it are the failover lock.
`;

/** docs/records.md */
export function recordsDocument(entries: readonly RecordEntry[] = allRecords): string {
  return [INTRODUCTION, ...entries.map(section)].join('\n');
}

function section({ title, where, about, record }: RecordEntry): string {
  const schema = z.toJSONSchema(record.schema, { io: 'input', unrepresentable: 'any' }) as Schema;
  const rows = fieldsOf(schema, '').map(
    ({ path, type, about: text }) => `| \`${path}\` | ${cell(type)} | ${cell(text)} |\n`,
  );
  return [
    `## ${title}\n\n\`${where}\`\n\n${about}\n`,
    `| field | type | what it says |\n| --- | --- | --- |\n${rows.join('')}`,
  ].join('\n');
}

/** The fields of an object, those of objects within it after their own row. */
function fieldsOf(schema: Schema, prefix: string): readonly Row[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    rowsOf(field, `${prefix}${name}`, required.has(name)),
  );
}

function rowsOf(field: Schema, path: string, required: boolean): readonly Row[] {
  const type = typeOf(field) + (required ? '' : ', optional');
  const own: Row = { path, type, about: field.description ?? '' };
  const { items, oneOf } = field;
  if (items !== undefined) return [own, ...fieldsOf(items, `${path}[].`)];
  if (oneOf !== undefined) return [own, ...variantsOf(oneOf, path)];
  return [own, ...fieldsOf(field, `${path}.`)];
}

/** Objects of which one is there, told apart by a field that is a constant in each. */
function variantsOf(variants: readonly Schema[], path: string): readonly Row[] {
  return variants.flatMap((variant) => {
    const [tag] = Object.entries(variant.properties ?? {}).find(([, field]) => 'const' in field) ?? [];
    const value = tag === undefined ? undefined : variant.properties?.[tag];
    return fieldsOf(variant, `${path}.`).map((row) =>
      row.path === `${path}.${tag}` || value === undefined
        ? row
        : { ...row, type: `${row.type}, with ${typeOf(value)}` },
    );
  });
}

function typeOf(schema: Schema): string {
  if ('const' in schema) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined)
    return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(' | ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' | ');
  if (schema.oneOf !== undefined) return 'object';
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (schema.format === 'date-time') return 'date';
  return schema.type ?? 'any';
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
