import { existsSync, rmSync } from 'node:fs';
import { PlaygroundError } from './errors.js';
import { takeLock } from './lock.js';
import type { PlaygroundPaths } from './paths.js';
import { join } from 'node:path';
import { layerUsers } from './processes.js';
import { readWorldConfig } from './world-config.js';

/**
 * Remove the cached packages and data directories.
 * @returns whether there were any
 * @throws PlaygroundError while a playground uses them
 */
export async function purgeCache(cache: string, paths: PlaygroundPaths): Promise<boolean> {
  if (!existsSync(cache)) return false;
  const lock = await takeLock(join(cache, 'lock'), paths.marker, false);
  if (lock === undefined) throw new PlaygroundError(`the package cache ${cache} is in use by an \`up\``);
  try {
    const users = layerUsers()
      .filter(({ directory }) => readWorldConfig(join(directory, 'world.json')).layer.startsWith(`${cache}/`))
      .map(({ name }) => name);
    if (users.length > 0) {
      throw new PlaygroundError(
        `the package cache ${cache} is in use by ${users.join(', ')}: take it down first`,
      );
    }
    rmSync(cache, { recursive: true, force: true });
    return true;
  } finally {
    lock.release();
  }
}
