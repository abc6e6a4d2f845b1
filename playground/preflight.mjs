// What this machine must have before a playground can be made, checked without any dependency and
// without TypeScript: this runs before `npm ci` did.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The programs a playground uses, with the Debian package that brings each. */
export const tools = [
  { name: 'unshare', package: 'util-linux' },
  { name: 'nsenter', package: 'util-linux' },
  { name: 'flock', package: 'util-linux' },
  { name: 'setpriv', package: 'util-linux' },
  { name: 'pivot_root', package: 'util-linux' },
  { name: 'mount', package: 'mount' },
  { name: 'umount', package: 'mount' },
  { name: 'mknod', package: 'coreutils' },
  { name: 'chroot', package: 'coreutils' },
  { name: 'hostname', package: 'hostname' },
  { name: 'ip', package: 'iproute2' },
  { name: 'apt-get', package: 'apt' },
  { name: 'dpkg-query', package: 'dpkg' },
];

/** Bits of CapEff, from linux/capability.h. */
const capabilities = [
  { name: 'CAP_CHOWN', bit: 0 },
  { name: 'CAP_NET_ADMIN', bit: 12 },
  { name: 'CAP_SYS_CHROOT', bit: 18 },
  { name: 'CAP_SYS_ADMIN', bit: 21 },
  { name: 'CAP_MKNOD', bit: 27 },
];

/** Folders that a host sees through an overlay over /, which does not reach into other file systems. */
const partsOfRoot = ['/usr', '/etc', '/var', '/var/lib', '/opt', '/bin', '/lib', '/sbin'];

const oldestNode = [20, 11];

/**
 * One line for each thing that is missing, with what to do; empty when a playground can be made.
 * @returns {string[]}
 */
export function checks() {
  const problems = [...checkNode(), ...checkSystem()];
  if (problems.length > 0) return problems;
  return [...checkTools(), ...checkRights(), ...checkFileSystems()];
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantMajor, wantMinor] = oldestNode;
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return [];
  return [`Node.js ${oldestNode.join('.')} or newer is needed; this is ${process.versions.node}.`];
}

function checkSystem() {
  if (process.platform !== 'linux') return [`Linux is needed; this is ${process.platform}.`];
  if (process.getuid() !== 0) return ['Root is needed (namespaces, overlays, a bridge): run it with sudo.'];
  return [];
}

function checkTools() {
  return tools
    .filter((tool) => !inPath(tool.name))
    .map((tool) => `The program ${tool.name} is missing: apt-get install ${tool.package}`);
}

/** `su` and cron leave the sbin folders out of PATH. */
function searchPath() {
  return [process.env.PATH ?? '', '/usr/sbin', '/sbin'].join(delimiter);
}

function inPath(name) {
  return searchPath()
    .split(delimiter)
    .some((folder) => {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function checkRights() {
  const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const effective = BigInt(`0x${line?.[1] ?? '0'}`);
  const missing = capabilities.filter(({ bit }) => ((effective >> BigInt(bit)) & 1n) === 0n);
  if (missing.length > 0) {
    return missing.map(
      ({ name }) =>
        `${name} is missing: root in this container or sandbox is not allowed what a playground needs.`,
    );
  }
  const probe = attempt('unshare', [
    '--mount',
    '--pid',
    '--net',
    '--uts',
    '--ipc',
    '--fork',
    '--mount-proc',
    '--propagation',
    'private',
    'sh',
    '-c',
    'mount -t tmpfs tmpfs /tmp && ip link set lo up',
  ]);
  if (probe !== '') return [`Namespaces cannot be made here: ${probe}`];
  if (!inPath('ip')) return [];
  // The link types are kernel modules, and may be missing from a container's kernel.
  const links = [
    ['bridge', ['link', 'add', 'probe0', 'type', 'bridge']],
    ['veth', ['link', 'add', 'probe0', 'type', 'veth', 'peer', 'name', 'probe1']],
  ];
  return links.flatMap(([kind, args]) => {
    const answer = attempt('unshare', ['--net', 'ip', ...args]);
    return answer === '' ? [] : [`This kernel gives no ${kind} link: ${answer}`];
  });
}

function attempt(file, args) {
  const result = spawnSync(file, args, {
    encoding: 'utf8',
    timeout: 10_000,
    env: { ...process.env, PATH: searchPath() },
  });
  if (result.status === 0) return '';
  const said = `${result.stderr ?? ''}`.trim().split('\n').at(-1);
  return said || result.error?.message || `${file} ended with status ${result.status}`;
}

function checkFileSystems() {
  const problems = [];
  if (!/\soverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'))) {
    const loaded = attempt('modprobe', ['overlay']);
    if (loaded !== '') problems.push(`This kernel has no overlay file system: ${loaded}`);
  }
  const mountPoints = new Set(
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4]),
  );
  for (const folder of partsOfRoot) {
    if (existsSync(folder) && mountPoints.has(folder)) {
      problems.push(`${folder} is a file system of its own: a playground needs it on the root file system.`);
    }
  }
  return problems;
}
