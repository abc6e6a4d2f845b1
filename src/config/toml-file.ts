import { createHash } from 'node:crypto';
import { PgcmError } from '../domain/errors.js';
import { declaration, isOptionName } from './options.js';
import { readTextFile } from './text-file.js';

export interface TomlFile {
  readonly path: string;
  readonly table: Readonly<Record<string, unknown>>;
  /** The line on which a top-level key stands, from 1. */
  lineOf(key: string): number;
}

/**
 * Reads a TOML file.
 * @throws PgcmError `usage` that names the file, and line and column where it is malformed
 */
export async function readTomlFile(path: string, signal: AbortSignal): Promise<TomlFile> {
  const text = await readTextFile(path, signal);
  // Loaded here, as help and version must not wait for it.
  const { parse, TomlError } = await import('smol-toml');
  try {
    return { path, table: parse(text), lineOf: (key) => lineOf(text, key) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The parser's message goes on with the lines around the mistake, and a password may stand there.
    const what = (error.message.split('\n')[0] ?? '').replace('Invalid TOML document: ', '');
    throw new PgcmError('usage', `${path}:${error.line}:${error.column}: not valid TOML: ${what}`);
  }
}

/** The parser does not tell where a key stood. A key that is not found this way is reported on line 1. */
function lineOf(text: string, key: string): number {
  const starts = [`${key}=`, `"${key}"=`, `'${key}'=`, `[${key}]`, `[[${key}]]`, `${key}.`];
  const at = text.split('\n').findIndex((line) => {
    const bare = line.replace(/\s/g, '');
    return starts.some((start) => bare.startsWith(start));
  });
  return at + 1 || 1;
}

/**
 * Says whether two files mean the same. Comments and order don't count; secrets neither, so that nobody
 * can try passwords against a hash that stands in a log.
 */
export function hashOf({ table }: TomlFile): string {
  const plain = Object.entries(table)
    .filter(([key]) => !(isOptionName(key) && declaration(key).kind.secret))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(plain)).digest('hex').slice(0, 16);
}
