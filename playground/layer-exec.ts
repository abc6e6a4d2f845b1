import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment, signalNumber, toolEnvironment } from './exec.js';
import { ensureLayer, type Layer } from './layer.js';
import {
  cacheRoot,
  makePrivate,
  playgroundPaths,
  repository,
  script,
  stateRoot,
  type PlaygroundPaths,
} from './paths.js';
import { endWorld } from './world-process.js';
import { writeWorldConfig } from './world-config.js';

/** Variables that a test run in the layer needs from outside. */
const handedOn = /^(CI|NODE_OPTIONS|FORCE_COLOR|NO_COLOR|TERM|PGCM_.*)$/;

interface LayerUse {
  readonly environment: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Build the package layer if it is not there. */
export async function prepareLayer(use: LayerUse): Promise<void> {
  await withLayer(use, () => Promise.resolve());
}

/**
 * Run a command over the package layer: a throw-away root, a network with a loopback only, the checkout
 * read-only at /opt/pgcm. Standard streams are the caller's. When it ends, or is aborted, or this
 * process dies, nothing of it is left.
 * @returns its exit status, as a shell counts it
 */
export async function runInLayer(argv: readonly string[], use: LayerUse): Promise<number> {
  return withLayer(use, async (layer, paths) => {
    const layerWork = join(layer.directory, 'work', paths.name);
    makePrivate(paths.world);
    writeWorldConfig(paths.config, {
      ...paths,
      repository,
      node: process.execPath,
      disks: 'keeping',
      fencing: 'none',
      hosts: [],
      start: '',
      agent: 'stock',
      since: '',
      layer: layer.directory,
      seed: layer.seed,
      layerWork,
    });
    mkdirSync(layerWork);
    const variables = Object.entries(use.environment).filter(([name]) => handedOn.test(name));
    const child = spawn(
      // However this process ends, unshare ends with it, and the command's PID 1 with unshare.
      'setpriv',
      [
        ...[
          '--pdeathsig',
          'KILL',
          'unshare',
          '--mount',
          '--pid',
          '--net',
          '--uts',
          '--ipc',
          '--fork',
          '--kill-child',
        ],
        ...['--propagation', 'private', 'sh', script('layer-exec.sh'), paths.marker],
        ...[layer.directory, layerWork, paths.world, repository, process.execPath],
        ...Object.entries({ ...cleanEnvironment(), ...Object.fromEntries(variables) }).map(
          ([name, value]) => `${name}=${value ?? ''}`,
        ),
        ...argv,
      ],
      { stdio: 'inherit', env: toolEnvironment(use.environment) },
    );
    layer.lock.release();
    const kill = (): boolean => child.kill('SIGKILL');
    use.signal.addEventListener('abort', kill, { once: true });
    if (use.signal.aborted) kill();
    return new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? 128 + signalNumber(signal)));
    });
  });
}

async function withLayer<T>(
  use: LayerUse,
  action: (layer: Layer, paths: PlaygroundPaths) => Promise<T>,
): Promise<T> {
  await clearAbandoned(use.environment);
  const paths = playgroundPaths(`layer-${process.pid}`, use.environment);
  makePrivate(paths.logs);
  try {
    const layer = await ensureLayer({ ...use, cache: cacheRoot(use.environment), paths });
    try {
      return await action(layer, paths);
    } finally {
      layer.lock.release();
    }
  } finally {
    await endWorld(paths);
  }
}

/** Remove the folders of those who were killed before they could. */
async function clearAbandoned(environment: NodeJS.ProcessEnv): Promise<void> {
  const root = stateRoot(environment);
  if (!existsSync(root)) return;
  for (const entry of readdirSync(root)) {
    const owner = /^layer-(\d+)$/.exec(entry)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    await endWorld(playgroundPaths(entry, environment));
  }
}
