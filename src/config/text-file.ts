import { readFile, stat } from 'node:fs/promises';
import { describeError, PgcmError } from '../domain/errors.js';
import { runWithDeadline } from '../runtime/deadline.js';

/** A file on a network mount can hang for ever; nothing that pgcm reads at its start may. */
const FILE_TIMEOUT = 10_000;

/** @throws PgcmError `usage` that names the file: it cannot be read, or is not UTF-8 */
export async function readTextFile(path: string, signal: AbortSignal): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await runWithDeadline(`reading ${path}`, FILE_TIMEOUT, signal, async (inner) => {
      await refuseEndless(path);
      return await readFile(path, { signal: inner });
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new PgcmError('usage', `${path}: cannot be read: ${reason(error)}`, { cause: error });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PgcmError('usage', `${path}: is not UTF-8 text`, { cause });
  }
}

/**
 * Opening a named pipe waits for its writer, in a thread that not even process.exit can leave behind;
 * reading /dev/zero ends when the memory does. A shell's `<(command)` is a pipe that is open already.
 */
async function refuseEndless(path: string): Promise<void> {
  const found = await stat(path);
  const fromShell = found.isFIFO() && /^\/(dev|proc)\//.test(path);
  if (found.isFile() || fromShell || path === '/dev/null') return;
  throw new PgcmError('usage', found.isDirectory() ? 'it is a folder' : 'it is not a regular file');
}

/** Whether users beyond owner and group may read the file. */
export async function isWorldReadable(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o004) !== 0;
}

/** Node's `ENOENT: no such file or directory, open '/x'`, without what the caller says already. */
function reason(error: unknown): string {
  return describeError(error).replace(/^E[A-Z]+: (.*?), \w+( '.*')?$/, '$1');
}
