// What the machine must give, and root. Nothing is installed on it: missing things are named.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { checks, tools } from '../../playground/preflight.mjs';
import { inRepository } from './checkout.mjs';
import { Problem } from './problem.mjs';

/** @throws Problem for a Node that is older than package.json's `engines` */
export function requireNode() {
  const { engines } = JSON.parse(readFileSync(inRepository('package.json'), 'utf8'));
  const oldest = engines.node.replace('>=', '');
  const [wantMajor, wantMinor = 0] = oldest.split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return;
  throw new Problem(`Node.js ${oldest} or newer is needed; this is ${process.versions.node}.`);
}

/** @throws Problem with one line for each thing that a playground needs and this machine lacks */
export function requireMachine() {
  const problems = checks();
  if (problems.length === 0) return;
  const packages = [
    ...new Set(
      tools
        .filter(({ name }) => problems.some((line) => line.includes(`program ${name} `)))
        .map((tool) => tool.package),
    ),
  ];
  const offer =
    packages.length === 0
      ? []
      : [`To get the missing programs: apt-get install -y --no-install-recommends ${packages.join(' ')}`];
  throw new Problem([...problems, ...offer]);
}

/** Variables that a run under sudo needs as they are; sudo itself keeps next to none. */
const kept =
  /^(PATH|TERM|CI|FORCE_COLOR|NO_COLOR|NODE_ENV|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|(https?|no)_proxy|(HTTPS?|NO)_PROXY|npm_execpath|npm_config_(cafile|registry|.*proxy)|PGCM_.*)$/;

/**
 * Without root, start this command again through sudo, where there is one.
 * @returns the exit status of that run; undefined when this process is root, or there is no sudo
 */
export function againAsRoot(args) {
  if (process.getuid() === 0 || !inPath('sudo')) return undefined;
  const environment = Object.entries(process.env)
    .filter(([name]) => kept.test(name))
    .map(([name, value]) => `${name}=${value}`);
  // The path of this very Node: root's PATH may lead to another one, or to none.
  const command = [process.execPath, inRepository('scripts', 'run.mjs'), ...args];
  const result = spawnSync('sudo', ['env', ...environment, ...command], { stdio: 'inherit' });
  if (result.error !== undefined) throw new Problem(`sudo cannot be started: ${result.error.message}`);
  return result.status ?? 128 + (os.signals[result.signal] ?? 0);
}

function inPath(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
