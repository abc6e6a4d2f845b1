import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf, PlaygroundError } from './errors.js';

/** The checkout: this file runs as dist/playground/paths.js. */
export const repository = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

export function script(name: string): string {
  return join(repository, 'playground', 'sh', name);
}

/** Where a playground keeps what must be reachable from outside its world. */
export interface PlaygroundPaths {
  readonly name: string;
  readonly directory: string;
  readonly lock: string;
  readonly config: string;
  readonly controlSocket: string;
  /** Exists inside the world only. */
  readonly powerSocket: string;
  readonly logs: string;
  /** Mount point of the world's tmpfs; stays an empty folder for everybody else. */
  readonly world: string;
  /** Command-line argument by which this playground's processes are found. */
  readonly marker: string;
}

/** A path of a unix socket has 107 bytes at most (sun_path, unix(7)). */
const longestSocketPath = 107;

/** @throws PlaygroundError (exit status 2) for a name or a folder that cannot work */
export function playgroundPaths(name: string, environment: NodeJS.ProcessEnv): PlaygroundPaths {
  if (!/^[a-z0-9][a-z0-9-]{0,19}$/.test(name)) {
    throw new PlaygroundError(
      `'${name}' is no playground name: 1 to 20 of a-z, 0-9 and '-', starting with a letter or digit`,
      2,
    );
  }
  const directory = join(stateRoot(environment), name);
  const powerSocket = join(directory, 'world', 'power', 'socket');
  if (Buffer.byteLength(powerSocket) > longestSocketPath) {
    throw new PlaygroundError(`PGCM_PLAYGROUND_DIR is too long for a socket: ${powerSocket}`, 2);
  }
  return {
    name,
    directory,
    lock: join(directory, 'lock'),
    config: join(directory, 'world.json'),
    controlSocket: join(directory, 'control.sock'),
    powerSocket,
    logs: join(directory, 'log'),
    world: join(directory, 'world'),
    marker: `pgcm-playground=${name}@${directory}`,
  };
}

export function stateRoot(environment: NodeJS.ProcessEnv): string {
  return usableFolder('PGCM_PLAYGROUND_DIR', environment, '/run/pgcm-playground');
}

export function cacheRoot(environment: NodeJS.ProcessEnv): string {
  return usableFolder('PGCM_PLAYGROUND_CACHE', environment, '/var/cache/pgcm-playground');
}

/** Commas and colons separate options and layers in an overlay's mount options. */
function usableFolder(variable: string, environment: NodeJS.ProcessEnv, preset: string): string {
  const folder = resolve(environment[variable] ?? preset);
  if (!/^\/[\w./+@-]+$/.test(folder)) {
    throw new PlaygroundError(
      `${variable}=${folder}: use letters, digits and . _ + @ - only (it becomes part of mount options)`,
      2,
    );
  }
  return folder;
}

/** @throws PlaygroundError when the folder cannot be made */
export function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new PlaygroundError(`cannot make the folder ${folder}: ${messageOf(error)}`, 1, { cause: error });
  }
}
