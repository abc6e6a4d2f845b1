import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { basename, join } from 'node:path';
import { PlaygroundError } from './errors.js';
import { killGroup, runChecked, toolEnvironment } from './exec.js';
import { onLine } from './lines.js';
import { takeLock, type Lock } from './lock.js';
import { makePrivate, repository, script, type PlaygroundPaths } from './paths.js';
import { readWorldConfig } from './world-config.js';
import { layerUsers } from './processes.js';

/**
 * The Debian packages of the hosts, installed once into an overlay over this machine's root, and the
 * data directory that the Postgres nodes start from. Both are kept in the cache folder:
 *
 *     layers/KEY/upper     what apt-get changed      layers/KEY/work/ID  one per running playground
 *     seeds/KEY/main       the data directory        archives            downloaded .deb files
 *     building/            unfinished; never used, whatever is found in it
 */
export interface Layer {
  readonly directory: string;
  readonly seed: string;
  /** Hold it until the world runs: then the running world itself keeps the layer from being removed. */
  readonly lock: Lock;
}

export interface LayerRequest {
  readonly cache: string;
  /** File of the checkout with packages beside those of docker/packages.txt; that layer has a cache folder of its own. */
  readonly packages?: string | undefined;
  readonly paths: PlaygroundPaths;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Change it when layer-build.sh changes what is in the layer. */
const recipe = 1;
const hostPackages = 'docker/packages.txt';
const aptDeadlineMs = 30 * 60_000;
const seedDeadlineMs = 3 * 60_000;

/** Give the cached layer and seed, built first when they are not there; only a missing layer needs the network. */
export async function ensureLayer(request: LayerRequest): Promise<Layer> {
  const { paths, log, signal } = request;
  const cache = cacheFor(request);
  for (const folder of ['layers', 'seeds', 'building', 'archives']) makePrivate(join(cache, folder));
  const lock = await lockCache(cache, paths, log, signal);
  try {
    const stop = AbortSignal.any([signal, lock.lost]);
    const layerKey = await currentLayer({ ...request, cache, signal: stop });
    const directory = join(cache, 'layers', layerKey);
    const seedKey = hash([layerKey, ...seedSources()]);
    const seed = join(cache, 'seeds', seedKey);
    if (!existsSync(seed)) {
      await buildSeed(seed, directory, { ...request, cache, signal: stop });
      removeOthers(join(cache, 'seeds'), seedKey);
    }
    return { directory, seed, lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Apart from the other, since a cache keeps one layer only. */
function cacheFor({ cache, packages: more }: LayerRequest): string {
  return more === undefined ? cache : join(cache, basename(more, '.txt'));
}

/** @returns the key of a layer that is there and belongs to this machine as it is now */
async function currentLayer(request: LayerRequest): Promise<string> {
  const folder = join(request.cache, 'layers');
  for (;;) {
    const key = await keyOfLayer(request);
    if (existsSync(join(folder, key))) return key;
    await buildLayer(join(folder, key), request);
    removeOthers(folder, key);
    // Once more: the machine's own packages may have changed below the layer while it was built.
  }
}

async function lockCache(
  cache: string,
  paths: PlaygroundPaths,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<Lock> {
  const file = join(cache, 'lock');
  const atOnce = await takeLock(file, paths.marker, false, signal);
  if (atOnce !== undefined) return atOnce;
  log(`waiting for another playground that is using the package cache ${cache}`);
  const later = await takeLock(file, paths.marker, true, signal);
  if (later === undefined) throw new PlaygroundError(`cannot lock ${file}`);
  return later;
}

/** The layer depends on what is asked for and on what this machine already has below it. */
async function keyOfLayer({ packages: more, signal }: LayerRequest): Promise<string> {
  const installed = await runChecked(
    'dpkg-query',
    ['--show', '--showformat', '${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\n'],
    { timeoutMs: 30_000, signal },
  );
  return hash([String(recipe), ...allPackages(more), installed]);
}

function allPackages(more: string | undefined): string[] {
  return [hostPackages, ...(more === undefined ? [] : [more])].flatMap(packages);
}

/** Debian package names, one per line of this file of the checkout; '#' starts a comment. */
function packages(file: string): string[] {
  const names = readFileSync(join(repository, file), 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
  const bad = names.find((name) => !/^[a-z0-9][a-z0-9+.:=~-]+$/.test(name));
  if (bad !== undefined) throw new PlaygroundError(`${file}: '${bad}' is no package name`);
  return names;
}

/** What make-seed may read: the files beside it. */
function seedSources(): string[] {
  const folder = join(repository, 'docker');
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile() && !file.endsWith('.md'))
    .map((file) => `${file}\n${readFileSync(file, 'utf8')}`);
}

function hash(parts: readonly string[]): string {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(`${part.length}:${part}`);
  return sum.digest('hex').slice(0, 16);
}

/** Build in a folder of its own and rename it when complete: a killed build is never taken for a layer. */
async function buildLayer(directory: string, request: LayerRequest): Promise<void> {
  const { cache, log } = request;
  log(`installing Debian packages into ${cache} (once; this machine's own packages stay as they are)`);
  const building = newBuildFolder(request);
  const status = await build(
    'layer-build.sh',
    ['--mount', '--pid', '--ipc', '--uts'],
    [building, join(cache, 'archives'), ...allPackages(request.packages)],
    { ...request, timeoutMs: aptDeadlineMs, logFile: join(request.paths.logs, 'layer.log') },
  );
  if (status === 3) {
    rmSync(building, { recursive: true, force: true });
    throw new PlaygroundError(
      `${cache} cannot hold the upper layer of an overlay over / (is it an overlay, NFS or the like itself?).` +
        ' Choose a folder on a local disk with PGCM_PLAYGROUND_CACHE.',
    );
  }
  if (status !== 0) throw new PlaygroundError('installing the Debian packages failed');
  const finished = join(building, 'finished');
  mkdirSync(join(finished, 'work'), { recursive: true });
  renameSync(join(building, 'upper'), join(finished, 'upper'));
  renameSync(finished, directory);
  rmSync(building, { recursive: true, force: true });
}

async function buildSeed(seed: string, layer: string, request: LayerRequest): Promise<void> {
  request.log('making the data directory that the Postgres nodes start from (once)');
  const building = newBuildFolder(request);
  const status = await build(
    'seed-build.sh',
    ['--mount', '--pid', '--ipc', '--uts', '--net'],
    [layer, building, repository],
    { ...request, timeoutMs: seedDeadlineMs, logFile: join(request.paths.logs, 'seed.log') },
  );
  if (status !== 0) throw new PlaygroundError('making the data directory (docker/make-seed) failed');
  rmSync(join(building, 'work'), { recursive: true });
  renameSync(building, seed);
}

function newBuildFolder({ cache, paths }: LayerRequest): string {
  // We hold the lock: nobody builds, so what lies here was left by a build that was killed.
  rmSync(join(cache, 'building'), { recursive: true, force: true });
  const folder = join(cache, 'building', `${paths.name}-${randomBytes(4).toString('hex')}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

interface BuildOptions extends LayerRequest {
  readonly timeoutMs: number;
  readonly logFile: string;
}

/** Run a build script in namespaces of its own; all it says goes into a log, its steps to the caller too. */
async function build(
  file: string,
  namespaces: readonly string[],
  args: readonly string[],
  { paths, log, signal, timeoutMs, logFile }: BuildOptions,
): Promise<number> {
  const child = spawn(
    // However this process ends, unshare ends with it, and the script with unshare.
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      'unshare',
      ...namespaces,
      '--fork',
      '--kill-child',
      '--propagation',
      'private',
      'sh',
      script(file),
      paths.marker,
      ...args,
    ],
    { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: toolEnvironment() },
  );
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    onLine(stream, (line) => {
      lines.push(line);
      if (line.startsWith('layer: ')) log(line.slice('layer: '.length));
    });
  }
  const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const kill = (): void => killGroup(child, 'SIGKILL');
  stop.addEventListener('abort', kill, { once: true });
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  }).finally(() => {
    stop.removeEventListener('abort', kill);
    writeFileSync(logFile, lines.map((line) => `${line}\n`).join(''));
  });
  signal.throwIfAborted();
  if (stop.aborted)
    throw new PlaygroundError(`${file} was not done after ${timeoutMs / 1000} s; see ${logFile}`);
  return status;
}

/** Remove what no key leads to any more, unless a playground runs on it. */
function removeOthers(folder: string, keep: string): void {
  const used = new Set(layerUsers().flatMap(({ directory }) => cacheFoldersOf(directory)));
  for (const entry of readdirSync(folder)) {
    const path = join(folder, entry);
    if (entry !== keep && !used.has(path)) rmSync(path, { recursive: true, force: true });
  }
}

function cacheFoldersOf(stateDirectory: string): string[] {
  const { layer, seed } = readWorldConfig(join(stateDirectory, 'world.json'));
  return [layer, seed];
}
