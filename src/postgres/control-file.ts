import { access, readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { quote } from '../domain/address.js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { ControlFile } from '../domain/postgres.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { execOk } from '../runtime/exec.js';
import { parsePosition } from '../domain/wal-position.js';

export interface ControlFileOptions {
  /** The folder of pg_controldata (postgres-bin-dir); empty: found by the data directory's version. */
  readonly binDir: string;
  readonly timeout: Milliseconds;
}

/** Where distributions keep the programs of one version: Debian, and PostgreSQL's own packages for Red Hat. */
const FOLDERS = (version: string): readonly string[] => [
  `/usr/lib/postgresql/${version}/bin`,
  `/usr/pgsql-${version}/bin`,
];

/**
 * The control file of a data directory, also of a server that is not running.
 * @throws PgcmError `unavailable`, `timed-out`, `invalid-answer`
 */
export async function readControlFile(
  dataDirectory: string,
  options: ControlFileOptions,
  signal: AbortSignal,
): Promise<ControlFile> {
  const { timeout } = options;
  if (!isAbsolute(dataDirectory)) {
    throw new PgcmError('usage', `the data directory ${quote(dataDirectory)} is not an absolute path`);
  }
  const program = await runWithDeadline(`looking for pg_controldata`, timeout, signal, () =>
    programOf(dataDirectory, options.binDir),
  );
  // Its labels are translated by the locale.
  const args = ['LC_ALL=C', program, '-D', dataDirectory];
  const { stdout, stderr } = await execOk('env', args, { signal, timeout });
  return parseControlData(`${stdout}\n${stderr}`, dataDirectory);
}

async function programOf(dataDirectory: string, binDir: string): Promise<string> {
  if (binDir !== '') return join(binDir, 'pg_controldata');
  const version = await versionOf(dataDirectory);
  for (const folder of FOLDERS(version)) {
    const program = join(folder, 'pg_controldata');
    // Not there is no trouble: it is looked for in the next place.
    if (await access(program).then(() => true).catch(() => false)) return program; // prettier-ignore
  }
  return 'pg_controldata';
}

async function versionOf(dataDirectory: string): Promise<string> {
  const file = join(dataDirectory, 'PG_VERSION');
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new PgcmError(
      'unavailable',
      `${file} cannot be read (${describeError(cause)}): is this the data directory, and does supervise run as root?`,
      { cause, retryable: false },
    );
  }
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  throw new PgcmError('invalid-answer', `${file} holds ${quote(text)} in place of a version`);
}

/** What pg_controldata prints with LC_ALL=C. @throws PgcmError `invalid-answer` */
export function parseControlData(text: string, dataDirectory: string): ControlFile {
  const bad = (what: string): PgcmError =>
    new PgcmError('invalid-answer', `pg_controldata of ${dataDirectory}: ${what}`);
  // A checksum that does not fit is only warned of, and the values are printed all the same.
  const warning = /^WARNING:.*/m.exec(text)?.[0];
  if (warning !== undefined) throw bad(quote(warning, 120));
  const value = (label: string): string => {
    const line = text.split('\n').find((l) => l.startsWith(`${label}:`));
    if (line === undefined) throw bad(`it does not tell its "${label}"`);
    return line.slice(label.length + 1).trim();
  };
  const systemIdentifier = value('Database system identifier');
  if (!/^\d+$/.test(systemIdentifier)) throw bad(`system identifier ${quote(systemIdentifier)}`);
  const timeline = value("Latest checkpoint's TimeLineID");
  if (!/^[1-9]\d*$/.test(timeline)) throw bad(`timeline ${quote(timeline)}`);
  const checkpoint = parsePosition(value('Latest checkpoint location'));
  if (checkpoint === undefined) throw bad(`position ${quote(value('Latest checkpoint location'))}`);
  return {
    systemIdentifier,
    state: value('Database cluster state'),
    timeline: Number(timeline),
    checkpoint,
  };
}
