// The checkout: where things are, whose they are, and one set-up at a time in it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, lchownSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

export function inRepository(...parts) {
  return join(repository, ...parts);
}

/** The compiled form of a source file, without its ending: compiled('bench/main') */
export function compiled(name) {
  return inRepository('dist', `${name}.js`);
}

/** Every file below a folder, as paths, sorted; none when the folder is not there. */
export function filesBelow(folder) {
  return listing(folder)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    });
}

function listing(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

/** One hash over names and contents of files, and over further texts. */
export function hashOf(files, ...texts) {
  const sum = createHash('sha256');
  for (const text of texts) sum.update(`${text.length}:${text}`);
  for (const file of files) {
    const content = readFileSync(file);
    sum.update(`${file.slice(repository.length)}:${content.length}:`).update(content);
  }
  return sum.digest('hex');
}

/** What root makes in a user's checkout shall be the user's: `git clean` must work for them. */
export function giveToOwner(path) {
  const { uid, gid } = statSync(repository);
  if (process.getuid() !== 0 || uid === 0) return;
  give(path, uid, gid);
}

function give(path, uid, gid) {
  lchownSync(path, uid, gid);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) give(child, uid, gid);
    else lchownSync(child, uid, gid);
  }
}

/**
 * Run something while no other run sets up this checkout.
 *
 * flock(1) locks the descriptor it inherits, and the lock stays with the descriptor's open file when
 * flock itself has ended: so it goes away with this process, however that ends.
 */
export function withLock(onWait, action) {
  const folder = openSync(repository, 'r');
  const lock = (...args) =>
    spawnSync('flock', [...args, '3'], { stdio: ['ignore', 'ignore', 'inherit', folder] }).status;
  try {
    if (lock('--nonblock') !== 0) {
      onWait();
      lock('--timeout', '600');
    }
    return action();
  } finally {
    closeSync(folder);
  }
}
