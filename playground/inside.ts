import { readdirSync, readFileSync } from 'node:fs';
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { cleanEnvironment, signalIfThere } from './exec.js';

export interface InsideOptions {
  readonly stdio?: StdioOptions;
  /** Added to the clean environment that a command gets inside (PATH, HOME, LANG, TERM). */
  readonly environment?: Readonly<Record<string, string>>;
  /** Stay in the caller's process group, so that the terminal's keys reach the command. */
  readonly foreground?: boolean;
}

/**
 * Start a command inside a host.
 *
 * The host's init is a process of the world, seen through the world's own /proc; entering needs no
 * program inside and no daemon. nsenter forks and hands on the exit status, but no signal: so the
 * returned child's kill() signals the command itself.
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
    env: { ...cleanEnvironment(), ...options.environment },
  });
  child.kill = (signal = 'SIGTERM') => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
    return signalIfThere(childOf(child.pid) ?? child.pid, signal);
  };
  return child;
}

/** The machine's pid of nsenter's only child; undefined before it has forked. */
function childOf(parent: number): number | undefined {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid))
    .find((pid) => parentOf(pid) === parent);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    // It ended while we looked.
    return undefined;
  }
}

function optionOf(kind: string): string {
  return kind === 'mnt' ? '--mount' : `--${kind}`;
}
