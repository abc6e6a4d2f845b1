import type { Stats } from 'node:fs';
import {
  constants,
  lstat,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { kill, pid } from 'node:process';
import { describeError, PgcmError } from '../domain/errors.js';
import { abortError } from '../runtime/deadline.js';

/** Of a file that was not there before: it may hold passwords. */
const MODE_WHEN_NEW = 0o640;

/** A temporary file of another living process that is older is no longer being written. */
const TEMPORARY_IS_STALE_AFTER = 60_000;

let count = 0;

/**
 * Puts a text in place of a file's content, or does nothing when it is there already. A reader, and a
 * power loss at any moment, find either the old content or the new one: it is written to a temporary
 * file in the same folder, flushed, given the owner and mode of the old file, and renamed. A symbolic
 * link stays one; its target is replaced. Temporary files that a killed process left are removed.
 *
 * @param signal looked at before the rename, so that a writer that was given up changes nothing later
 * @throws PgcmError `unavailable` naming the file; then its content is the old one
 */
export async function writeConfigFile(
  path: string,
  text: string,
  signal: AbortSignal,
): Promise<'written' | 'unchanged'> {
  try {
    const target = await targetOf(path);
    await removeStaleTemporaries(target);
    const existing = await statIfThere(target);
    if (existing !== undefined && !existing.isFile()) throw new Error('it is not a regular file');
    const content = Buffer.from(text, 'utf8');
    if (existing !== undefined && content.equals(await readFile(target))) return 'unchanged';
    await replace(target, content, existing, signal);
    return 'written';
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

async function replace(
  target: string,
  content: Buffer,
  existing: Stats | undefined,
  signal: AbortSignal,
): Promise<void> {
  count += 1;
  const temporary = join(dirname(target), `${temporaryPrefix(target)}${pid}-${count}`);
  try {
    await writeTemporary(temporary, content, existing);
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
async function writeTemporary(path: string, content: Buffer, existing: Stats | undefined): Promise<void> {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const file = await open(path, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  try {
    await file.writeFile(content);
    const now = await file.stat();
    if (existing !== undefined && (existing.uid !== now.uid || existing.gid !== now.gid)) {
      await file.chown(existing.uid, existing.gid);
    }
    await file.chmod(existing === undefined ? MODE_WHEN_NEW : existing.mode & 0o7777);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The rename itself is on the disk only when its folder is. */
async function flushFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const text = `flushing ${folder} after a file was replaced there: ${describeError(cause)}`;
    throw new PgcmError('unavailable', text, { cause });
  }
}

/** Where a symbolic link leads, also when its target is not there yet. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!hasSystemCode(error, 'ENOENT')) throw error;
  }
  const folder = await realpath(dirname(path));
  const link = join(folder, basename(path));
  const isLink = (await statIfThere(link, lstat))?.isSymbolicLink() ?? false;
  return isLink ? targetOf(resolve(folder, await readlink(link))) : link;
}

async function statIfThere(path: string, look: typeof stat = stat): Promise<Stats | undefined> {
  try {
    return await look(path);
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
  for (const name of await readdir(dirname(target))) {
    const owner = name.startsWith(prefix) ? /^(\d+)-\d+$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (owner === undefined) continue;
    const path = join(dirname(target), name);
    // This process writes one at a time: another one with its number is from an earlier life.
    const age = Date.now() - ((await statIfThere(path, lstat))?.mtimeMs ?? 0);
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
