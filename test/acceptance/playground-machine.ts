import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheRoot } from '../../playground/paths.js';
import { findMarked } from '../../playground/processes.js';

/** What a playground must leave as it was on the machine, each as a sorted list of lines. */
export type Machine = Readonly<Record<string, readonly string[]>>;

/** Counters and clocks among the sysctls: they move while nobody changes anything. */
const moving = [
  /^fs\/(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota\/)/,
  /^fs\/(binfmt_misc|mqueue)\//,
  /^kernel\/(ns_last_pid|pty\/nr|random\/|tainted|sched_domain|keys\/)/,
  /^net\/netfilter\/nf_conntrack_count$/,
  /^net\/ipv[46]\/.*(flush|mtu_expires|gc_)/,
  /^vm\/stat_refresh$/,
];

/** @param ours texts that the command lines of the playgrounds under test, and no others, contain */
export function lookAtMachine(ours: readonly string[]): Machine {
  const others = processesOfOthers(ours);
  return {
    processes: processes(ours, others),
    namespaces: namespaces(others),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').sort(),
    links: said('ip', ['-o', 'link']).map(withoutCounters),
    addresses: said('ip', ['-o', 'addr']).map(withoutCounters),
    routes: [
      ...said('ip', ['route', 'show', 'table', 'all']),
      ...said('ip', ['-6', 'route', 'show', 'table', 'all']),
    ].map(withoutCounters),
    firewall: firewall(),
    sysctls: sysctls(),
    etc: filesOf('/etc'),
    packages: filesOf('/var/lib/dpkg', 1),
  };
}

/** @returns one line per difference; empty when nothing has changed */
export function differences(before: Machine, after: Machine): string[] {
  return Object.keys(before).flatMap((part) => {
    const [was, is] = [before[part] ?? [], after[part] ?? []];
    // A process or namespace of somebody else may well have ended meanwhile.
    const mayGo = part === 'processes' || part === 'namespaces';
    return [
      ...is.filter((line) => !was.includes(line)).map((line) => `${part}: new: ${line}`),
      ...was.filter((line) => !mayGo && !is.includes(line)).map((line) => `${part}: gone: ${line}`),
    ];
  });
}

const kinds = ['mnt', 'net', 'pid', 'uts', 'ipc', 'cgroup', 'user'];

/** Processes in other namespaces than ours, and those whose command line speaks of our playgrounds. */
function processes(ours: readonly string[], others: ReadonlySet<string>): string[] {
  const home = kinds.map((kind) => namespaceOf('self', kind));
  return pids().flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
      const elsewhere = kinds.some((kind, index) => namespaceOf(pid, kind) !== home[index]);
      const suspect = elsewhere || ours.some((text) => command.includes(text));
      return suspect && !others.has(pid) && pid !== String(process.pid) ? [`${pid} ${command}`] : [];
    } catch {
      // It ended while we looked, or it is a zombie and has no namespaces any more.
      return [];
    }
  });
}

function namespaces(others: ReadonlySet<string>): string[] {
  const found = pids()
    .filter((pid) => !others.has(pid))
    .flatMap((pid) => kinds.flatMap((kind) => namespaceIfThere(pid, kind) ?? []));
  return [...new Set(found)].sort();
}

/** Everything that belongs to playgrounds whose state folder is not among ours: they come and go as they like. */
function processesOfOthers(ours: readonly string[]): ReadonlySet<string> {
  const all = pids();
  const parents = new Map(all.map((pid) => [pid, parentOf(pid)]));
  const roots = new Set(
    findMarked()
      .filter(({ argv }) => !ours.some((text) => argv.join(' ').includes(text)))
      .map(({ pid }) => String(pid)),
  );
  const descends = (pid: string | undefined): boolean =>
    pid !== undefined && (roots.has(pid) || descends(parents.get(pid)));
  const family = all.filter(descends);
  // A command that was started inside from outside has its parent outside.
  const home = namespaceOf('self', 'pid');
  const inside = new Set(family.map((pid) => namespaceIfThere(pid, 'pid')).filter((found) => found !== home));
  inside.delete(undefined);
  const worlds = new Set(family);
  return new Set([
    ...family,
    ...all.filter((pid) => inside.has(namespaceIfThere(pid, 'pid')) || worlds.has(worldEnteredBy(pid) ?? '')),
  ]);
}

/**
 * The init of the world that an nsenter of a playground's is about to enter. nsenter itself stays in the
 * machine's pid namespace; only what it starts is inside.
 */
function worldEnteredBy(pid: string): string | undefined {
  try {
    const [program = '', ...argv] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (!program.endsWith('nsenter')) return undefined;
    return argv.map((word) => /^--\w+=\/proc\/(\d+)\/root\/proc\//.exec(word)?.[1]).find((found) => found);
  } catch {
    // It ended while we looked.
    return undefined;
  }
}

function parentOf(pid: string): string | undefined {
  try {
    const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return parent === '0' ? undefined : parent;
  } catch {
    return undefined;
  }
}

function namespaceIfThere(pid: string, kind: string): string | undefined {
  try {
    return namespaceOf(pid, kind);
  } catch {
    // It ended while we looked.
    return undefined;
  }
}

function namespaceOf(pid: string, kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

function pids(): string[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
}

function sysctls(folder = '/proc/sys'): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    const name = path.slice('/proc/sys/'.length);
    if (moving.some((pattern) => pattern.test(entry.isDirectory() ? `${name}/` : name))) return [];
    if (entry.isDirectory()) return sysctls(path);
    try {
      return [`${name} = ${readFileSync(path, 'utf8').trim()}`];
    } catch {
      // Some can only be written.
      return [];
    }
  });
}

/** Size and time of every file, which any writing changes. */
function filesOf(folder: string, depth = Infinity): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return depth > 1 ? filesOf(path, depth - 1) : [];
    if (!entry.isFile()) return [path];
    const { size, mtimeMs, mode } = statSync(path);
    return [`${path} ${size} ${mtimeMs} ${mode}`];
  });
}

/** By the machine's own nft or, where it has none, by that of the hosts' package layer. */
function firewall(): string[] {
  const layers = join(cacheRoot(process.env), 'layers');
  const upper = (existsSync(layers) ? readdirSync(layers) : [])
    .map((layer) => join(layers, layer, 'upper'))
    .find((folder) => existsSync(join(folder, 'usr/sbin/nft')));
  const candidates: [string, NodeJS.ProcessEnv][] = [['nft', process.env]];
  if (upper !== undefined) {
    const libraries = join(upper, 'usr/lib/x86_64-linux-gnu');
    candidates.push([join(upper, 'usr/sbin/nft'), { ...process.env, LD_LIBRARY_PATH: libraries }]);
  }
  for (const [program, env] of candidates) {
    const { status, stdout } = spawnSync(program, ['list', 'ruleset'], {
      encoding: 'utf8',
      env,
      timeout: 30_000,
    });
    if (status === 0) return stdout.trim().split('\n').sort();
  }
  throw new Error(
    'no nft that works, on the machine or in the package layer: the firewall cannot be compared',
  );
}

function said(program: string, args: string[]): string[] {
  const { stdout } = spawnSync(program, args, { encoding: 'utf8', timeout: 30_000 });
  return ((stdout as string | null) ?? '').trim().split('\n').sort();
}

function withoutCounters(line: string): string {
  return line.replace(/\b(valid_lft|preferred_lft|expires) \S+/g, '').trim();
}
