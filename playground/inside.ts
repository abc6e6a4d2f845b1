import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { signalIfThere } from './exec.js';

export interface InsideOptions {
  readonly stdio?: StdioOptions;
  /** Added to the clean environment that a command gets inside (PATH, HOME, LANG, TERM). */
  readonly environment?: Readonly<Record<string, string>>;
  /** Stay in the caller's process group, so that the terminal's keys reach the command. */
  readonly foreground?: boolean;
}

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Start a command inside a host.
 *
 * The host's init is a process of the world, seen through the world's own /proc; entering needs no
 * program inside and no daemon. nsenter hands on the exit status, but no signal: so the command and
 * nsenter are one process group, and the returned child's kill() signals all of it.
 * @param world the machine's pid of the world's init
 * @param init the world's pid of the host's init
 */
export function spawnInside(
  world: number,
  init: number,
  argv: readonly string[],
  options: InsideOptions = {},
): ChildProcess {
  const host = `/proc/${world}/root/proc/${init}`;
  const entrances = ['mnt', 'uts', 'ipc', 'net', 'pid'].map((kind) => `${optionOf(kind)}=${host}/ns/${kind}`);
  const child = spawn('nsenter', [...entrances, `--root=${host}/root`, `--wd=${host}/root`, '--', ...argv], {
    detached: options.foreground !== true,
    stdio: options.stdio ?? ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: searchPath,
      HOME: '/root',
      LANG: 'C.UTF-8',
      TERM: process.env['TERM'] ?? 'dumb',
      ...options.environment,
    },
  });
  child.kill = (signal = 'SIGTERM') => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
    return signalIfThere(options.foreground === true ? child.pid : -child.pid, signal);
  };
  return child;
}

function optionOf(kind: string): string {
  return kind === 'mnt' ? '--mount' : `--${kind}`;
}
