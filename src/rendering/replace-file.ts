import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  lstatSync,
  open,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { kill, pid } from 'node:process';
import { promisify } from 'node:util';
import { describeError, PgcmError } from '../domain/errors.js';
import { abortError } from '../runtime/deadline.js';

/** Of a file that was not there before: it may hold passwords. */
const MODE_WHEN_NEW = 0o640;

/** A temporary file of another living process that is older is no longer being written. */
const TEMPORARY_IS_STALE_AFTER = 60_000;

// Not the FileHandles of node:fs/promises: they cost more than what is done with them here.
const openFile = promisify(open);
const flush = promisify(fsync);

let count = 0;

/** The files beside which this process has looked for what a killed one left. */
const swept = new Set<string>();

/** What a file has besides its content; what is undefined is as in the file that is replaced. */
export interface Attributes {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mode?: number | undefined;
}

export interface Replacing {
  readonly attributes?: Attributes;
  /** Done when all but the rename is, with the temporary file's path; when it throws, nothing is replaced. */
  readonly beforeRename?: (temporary: string) => Promise<void>;
}

/**
 * Puts a text in place of a file's content, or does nothing when it is there already. A reader, and a
 * power loss at any moment, find either the old content or the new one: it is written to a temporary
 * file in the same folder, flushed, given the owner and mode of the old file, and renamed. A symbolic
 * link stays one; its target is replaced. Temporary files that a killed process left are removed.
 *
 * Clients wait for this in a switchover, while the machine is busy: each call that goes through Node's
 * threads then costs a turn of its scheduler twice. So what only looks at the file system is done at
 * once, and only what changes it, and may hang with the disk, is waited for.
 *
 * @param signal looked at before the rename, so that a writer that was given up changes nothing later
 * @throws PgcmError `unavailable` naming the file; then its content is the old one
 */
export async function writeConfigFile(
  path: string,
  text: string,
  signal: AbortSignal,
  replacing: Replacing = {},
): Promise<'written' | 'unchanged'> {
  try {
    const target = targetOf(path);
    const existing = statIfThere(target);
    if (existing !== undefined && !existing.isFile()) throw new Error('it is not a regular file');
    const content = Buffer.from(text, 'utf8');
    const isThere =
      existing !== undefined &&
      hasAttributes(existing, replacing.attributes) &&
      content.equals(readFileSync(target));
    if (!isThere) await replace(target, content, { existing, ...replacing }, signal);
    // Only an earlier life leaves any: this one removes its own.
    if (!swept.has(target)) await removeStaleTemporaries(target);
    swept.add(target);
    return isThere ? 'unchanged' : 'written';
  } catch (error) {
    if (error instanceof PgcmError) throw error;
    const hint = hasSystemCode(error, 'EACCES', 'EPERM', 'EROFS')
      ? "; pgcm has to be allowed to write into the folder and to keep the file's owner"
      : '';
    throw new PgcmError('unavailable', `writing ${path}: ${describeError(error)}${hint}; it is as it was`, {
      cause: error,
    });
  }
}

function hasAttributes(file: Stats, { uid, gid, mode }: Attributes = {}): boolean {
  return (
    (uid ?? file.uid) === file.uid &&
    (gid ?? file.gid) === file.gid &&
    (mode ?? file.mode & 0o7777) === (file.mode & 0o7777)
  );
}

interface Replacement extends Replacing {
  readonly existing: Stats | undefined;
}

async function replace(
  target: string,
  content: Buffer,
  { existing, attributes, beforeRename }: Replacement,
  signal: AbortSignal,
): Promise<void> {
  count += 1;
  const temporary = join(dirname(target), `${temporaryPrefix(target)}${pid}-${count}`);
  try {
    await writeTemporary(temporary, content, existing, attributes);
    await beforeRename?.(temporary);
    if (signal.aborted) throw abortError(signal, `writing ${target}`);
    await rename(temporary, target);
  } catch (error) {
    // Nothing to remove when it could not be made; a failure to remove it is told with the cause.
    await rm(temporary, { force: true }).catch((failure: unknown) => {
      throw new Error(`${describeError(error)}; and ${temporary} stays behind: ${describeError(failure)}`, {
        cause: error,
      });
    });
    throw error;
  }
  await flushFolder(dirname(target));
}

/** Nobody else can read it until it has its owner and mode. */
async function writeTemporary(
  path: string,
  content: Buffer,
  existing: Stats | undefined,
  attributes: Attributes | undefined,
): Promise<void> {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const file = await openFile(path, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  try {
    // A few kilobytes go into the kernel's memory at once; to the disk is what takes its time.
    writeFileSync(file, content);
    giveLike(file, existing, attributes);
    await flush(file);
  } finally {
    closeSync(file);
  }
}

function giveLike(file: number, existing: Stats | undefined, { uid, gid, mode }: Attributes = {}): void {
  const now = fstatSync(file);
  const owner = uid ?? existing?.uid ?? now.uid;
  const group = gid ?? existing?.gid ?? now.gid;
  if (owner !== now.uid || group !== now.gid) fchownSync(file, owner, group);
  fchmodSync(file, mode ?? (existing === undefined ? MODE_WHEN_NEW : existing.mode & 0o7777));
}

/** The rename itself is on the disk only when its folder is. */
async function flushFolder(folder: string): Promise<void> {
  try {
    const handle = openSync(folder, constants.O_RDONLY);
    try {
      await flush(handle);
    } finally {
      closeSync(handle);
    }
  } catch (cause) {
    const text = `flushing ${folder} after a file was replaced there: ${describeError(cause)}`;
    throw new PgcmError('unavailable', text, { cause });
  }
}

/** Where a symbolic link leads, also when its target is not there yet. */
function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (!hasSystemCode(error, 'ENOENT')) throw error;
  }
  const folder = realpathSync(dirname(path));
  const link = join(folder, basename(path));
  const isLink = statIfThere(link, lstatSync)?.isSymbolicLink() ?? false;
  return isLink ? targetOf(resolve(folder, readlinkSync(link))) : link;
}

function statIfThere(path: string, look: (path: string) => Stats = statSync): Stats | undefined {
  try {
    return look(path);
  } catch (error) {
    if (hasSystemCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function temporaryPrefix(target: string): string {
  return `.${basename(target)}.pgcm-`;
}

async function removeStaleTemporaries(target: string): Promise<void> {
  const prefix = temporaryPrefix(target);
  for (const name of readdirSync(dirname(target))) {
    const owner = name.startsWith(prefix) ? /^(\d+)-\d+$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (owner === undefined) continue;
    const path = join(dirname(target), name);
    // This process writes one at a time: another one with its number is from an earlier life.
    const age = Date.now() - (statIfThere(path, lstatSync)?.mtimeMs ?? 0);
    if (Number(owner) === pid || !isAlive(Number(owner)) || age > TEMPORARY_IS_STALE_AFTER) {
      await rm(path, { force: true });
    }
  }
}

function isAlive(process: number): boolean {
  try {
    kill(process, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return hasSystemCode(error, 'EPERM');
  }
}

function hasSystemCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
