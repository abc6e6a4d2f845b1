import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ControlReply, ControlRequest, WorldStatus } from './protocol.js';
import { createConnection } from 'node:net';
import { messageOf, PlaygroundError } from './errors.js';
import { toolEnvironment } from './exec.js';
import { firstLine } from './lines.js';
import { makePrivate, repository, script, type PlaygroundPaths } from './paths.js';
import { endMarked, findWorld, layerUsers } from './processes.js';
import { readWorldConfig, type WorldConfig, writeWorldConfig } from './world-config.js';

/** The world as seen from outside: start it, talk to its daemon, end it. */

const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc', '--fork', '--mount-proc'];
const endDeadlineMs = 30_000;

/** Start the world in the background. It belongs to nobody from then on, and ends by endWorld() only. */
export function startWorld(paths: PlaygroundPaths, config: WorldConfig): void {
  makePrivate(paths.world);
  // In this order: endWorld() finds the work folder through the file.
  writeWorldConfig(paths.config, config);
  mkdirSync(config.layerWork, { recursive: true });
  const log = openSync(join(paths.logs, 'world.log'), 'a');
  try {
    const daemon = [config.node, join(repository, 'dist/playground/world/main.js'), paths.config];
    const child = spawn(
      'unshare',
      [...namespaces, '--propagation', 'private', 'sh', script('world-init.sh'), paths.marker, ...daemon],
      { detached: true, cwd: '/', stdio: ['ignore', log, log], env: toolEnvironment() },
    );
    child.unref();
  } finally {
    closeSync(log);
  }
}

/**
 * End everything of this playground, whatever state it is in, and remove what it wrote outside.
 * @returns whether there was anything
 */
export async function endWorld(paths: PlaygroundPaths): Promise<boolean> {
  const existed = existsSync(paths.directory);
  const killed = await endMarked(paths.marker, endDeadlineMs);
  removeLayerWork(paths);
  // No mount of the world is visible here, so this cannot reach into one.
  rmSync(paths.directory, { recursive: true, force: true });
  removeIfEmpty(dirname(paths.directory));
  return existed || killed > 0;
}

/** Remove what an `up` that was killed, or a reboot, left behind; for an `up` that holds the lock. */
export async function clearLeftovers(paths: PlaygroundPaths, lockHolder: number | undefined): Promise<void> {
  await endMarked(paths.marker, endDeadlineMs, lockHolder);
  removeLayerWork(paths);
  for (const entry of readdirSync(paths.directory)) {
    if (entry !== basename(paths.lock))
      rmSync(join(paths.directory, entry), { recursive: true, force: true });
  }
}

function removeLayerWork(paths: PlaygroundPaths): void {
  try {
    rmSync(readWorldConfig(paths.config).layerWork, { recursive: true, force: true });
  } catch (error) {
    // Killed before the file was written, or while it was: then there is no work folder yet.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT' && code !== 'EBUSY') throw error;
  }
}

/** @throws PlaygroundError when there is no such playground */
export function requireWorld(paths: PlaygroundPaths): number {
  const world = findWorld(paths);
  if (world === undefined) {
    const others = layerUsers()
      .filter(({ directory }) => dirname(directory) === dirname(paths.directory))
      .map(({ name }) => name);
    const hint =
      others.length === 0
        ? 'start it with: npm run playground -- up'
        : `up is: ${others.map((name) => `--name ${name}`).join(', ')}`;
    throw new PlaygroundError(`no playground '${paths.name}' is up (${hint})`);
  }
  return world;
}

/**
 * Ask the world's daemon for something.
 * @throws PlaygroundError with the daemon's own message, or when it does not answer within timeoutMs
 */
export async function ask(
  paths: PlaygroundPaths,
  request: ControlRequest,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<WorldStatus> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const stop = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  let line: string;
  try {
    line = await exchange(paths.controlSocket, JSON.stringify(request), stop);
  } catch (error) {
    signal?.throwIfAborted();
    const why = deadline.aborted ? `no answer within ${timeoutMs} ms` : messageOf(error);
    throw new PlaygroundError(`playground '${paths.name}': ${request.command}: ${why}`, 1, { cause: error });
  }
  const reply = JSON.parse(line) as ControlReply;
  if (!reply.ok) throw new PlaygroundError(`playground '${paths.name}': ${request.command}: ${reply.error}`);
  return reply.world;
}

function exchange(path: string, request: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = createConnection(path, () => socket.write(`${request}\n`));
    const abort = (): void => void socket.destroy(new Error('aborted'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', reject);
    socket.once('close', () => {
      signal.removeEventListener('abort', abort);
      reject(new Error('its daemon hung up without an answer'));
    });
    void firstLine(socket).then((line) => {
      resolve(line);
      socket.destroy();
    });
  });
}

/** The last lines of a log in the state folder; empty when there is none. */
export function tailOfLog(paths: PlaygroundPaths, name: string, lines: number): string[] {
  try {
    return readFileSync(join(paths.logs, `${name}.log`), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-lines);
  } catch {
    return [];
  }
}
