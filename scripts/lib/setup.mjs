// Dependencies, build and packages: each is skipped when what it depends on has not changed, so that
// a second run is quick and needs no network.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  compiled,
  filesBelow,
  giveToOwner,
  hashOf,
  inRepository,
  repository,
  withLock,
} from './checkout.mjs';
import { makeExecutable } from './executable.mjs';
import { Problem } from './problem.mjs';
import { say, timed } from './say.mjs';

const sources = ['src', 'playground', 'bench', 'test'];

/** @param loud say also what needs no work */
export function prepare(loud) {
  withLock(
    () => say('waiting for another run that is setting up this checkout'),
    () => {
      dependencies(loud);
      build(loud);
    },
  );
}

function dependencies(loud) {
  const stamp = inRepository('node_modules', '.pgcm-installed');
  // The version of Node decides on native parts, and npm ci itself removes the stamp with the folder.
  const wanted = hashOf([inRepository('package.json'), inRepository('package-lock.json')], process.version);
  if (stampIs(stamp, wanted)) {
    if (loud) say('dependencies: unchanged');
    return;
  }
  timed('dependencies: npm ci', () => {
    // NODE_ENV=production would leave out the compiler.
    npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']);
    writeFileSync(stamp, wanted);
    giveToOwner(inRepository('node_modules'));
  });
}

function build(loud) {
  const stamp = inRepository('dist', '.pgcm-built');
  const typescript = sources.flatMap((folder) => filesBelow(inRepository(folder))).filter(isTypeScript);
  const inputs = [inRepository('tsconfig.json'), inRepository('package-lock.json'), ...typescript];
  const wanted = hashOf(inputs, process.version);
  if (stampIs(stamp, wanted)) {
    if (loud) say('build: unchanged');
    return;
  }
  timed('build: tsc', () => {
    rmSync(stamp, { force: true });
    // tsc believes its notes, and would not write again what somebody removed.
    if (typescript.some((file) => !existsSync(outputOf(file)))) {
      rmSync(inRepository('dist', '.tsbuildinfo'), { force: true });
    }
    // Emits in spite of type errors; without the stamp nobody takes that for a build.
    const status = node(inRepository('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json');
    if (status !== 0) throw new Problem(`the build failed: tsc ended with status ${status}`);
    removeStale(typescript);
    makeExecutable();
    writeFileSync(stamp, wanted);
    giveToOwner(inRepository('dist'));
  });
}

/** Debian's packages for the hosts, in the playground's cached layer. Says what it does by itself. */
export function packages() {
  const status = node(compiled('playground/main'), 'layer', 'ensure');
  if (status !== 0) throw new Problem(`the Debian packages are not there: ended with status ${status}`);
}

/** The output of a source that is gone would live on: a deleted test would still run. */
function removeStale(typescript) {
  const wanted = new Set(typescript.map(outputOf));
  for (const folder of sources) {
    for (const file of filesBelow(inRepository('dist', folder))) {
      if (!wanted.has(file.replace(/\.map$/, ''))) rmSync(file);
    }
  }
}

function outputOf(file) {
  return compiled(file.slice(repository.length + 1).replace(/\.ts$/, ''));
}

function isTypeScript(file) {
  return file.endsWith('.ts');
}

function stampIs(file, wanted) {
  return existsSync(file) && readFileSync(file, 'utf8') === wanted;
}

function npm(args) {
  const beside = join(dirname(process.execPath), 'npm');
  const script = process.env.npm_execpath;
  const [file, first] =
    script === undefined ? [existsSync(beside) ? beside : 'npm', []] : [process.execPath, [script]];
  const result = spawnSync(file, [...first, ...args], {
    cwd: repository,
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (result.error !== undefined) throw new Problem(`npm cannot be started: ${result.error.message}`);
  if (result.status !== 0) throw new Problem(`npm ${args[0]} ended with status ${result.status}`);
}

/** Run a Node program in the checkout; what it prints goes to stderr. @returns its exit status */
function node(...args) {
  const result = spawnSync(process.execPath, args, {
    cwd: repository,
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (result.error !== undefined) throw new Problem(`${args[0]} cannot be started: ${result.error.message}`);
  return result.status ?? `signal ${result.signal}`;
}
