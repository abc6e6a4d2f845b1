import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { basename } from 'node:path';
import { PlaygroundError } from './errors.js';
import { signalIfThere } from './exec.js';
import type { PlaygroundPaths } from './paths.js';

/** A process that carries a playground's marker as one of its command-line arguments. */
export interface MarkedProcess {
  readonly pid: number;
  readonly argv: readonly string[];
  /** It is PID 1 of a pid namespace: all processes of that namespace end with it. */
  readonly isInit: boolean;
}

/** Only these programs are started with a marker; anything else that names it (an editor) is not ours. */
const markedPrograms = new Set(['unshare', 'sh', 'flock']);

const markerPattern = /^pgcm-playground=([a-z0-9-]+)@(\/.*)$/;

/** @param marker undefined finds the processes of all playgrounds */
export function findMarked(marker?: string): MarkedProcess[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => describe(Number(entry)) ?? [])
    .filter(({ argv }) => markedPrograms.has(basename(argv[0] ?? '')))
    .filter(({ argv }) =>
      argv.some((arg) => (marker === undefined ? markerPattern.test(arg) : arg === marker)),
    );
}

/** Name and state folder of everything that uses the package layer now. */
export function layerUsers(): { name: string; directory: string }[] {
  return findMarked()
    .filter((found) => isInitOf(found, 'world-init.sh') || isInitOf(found, 'layer-exec.sh'))
    .flatMap(({ argv }) => {
      const match = argv.map((arg) => markerPattern.exec(arg)).find((found) => found !== null);
      return match?.[1] !== undefined && match[2] !== undefined
        ? [{ name: match[1], directory: match[2] }]
        : [];
    });
}

/** The machine's pid of the world's PID 1, if this playground has a world. */
export function findWorld(paths: PlaygroundPaths): number | undefined {
  return findMarked(paths.marker).find((found) => isInitOf(found, 'world-init.sh'))?.pid;
}

function isInitOf(found: MarkedProcess, program: string): boolean {
  return found.isInit && basename(found.argv[1] ?? '') === program;
}

function describe(pid: number): MarkedProcess | undefined {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    if (argv.length === 0) return undefined;
    const numbers =
      /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]?.split(/\s+/) ?? [];
    return { pid, argv, isInit: numbers.length > 1 && numbers.at(-1) === '1' };
  } catch {
    // It ended while we looked.
    return undefined;
  }
}

/**
 * Kill everything that carries the marker, and wait until it is gone.
 *
 * The parents (`unshare`) are left to end by themselves, so that somebody reaps the namespaces' PID 1;
 * one that has not made its child yet, or is left over, is killed in a later round. A child forked
 * between two rounds carries the marker from its first instant, as fork copies the command line.
 * @param keep a pid to leave alone
 * @returns how many processes were killed
 * @throws PlaygroundError when something is still there after timeoutMs
 */
export async function endMarked(marker: string, timeoutMs: number, keep?: number): Promise<number> {
  const deadline = performance.now() + timeoutMs;
  const killed = new Set<number>();
  for (;;) {
    const found = findMarked(marker).filter(({ pid }) => pid !== keep);
    if (found.length === 0) return killed.size;
    if (performance.now() > deadline) {
      throw new PlaygroundError(
        `still there after SIGKILL and ${timeoutMs} ms: ${found.map(({ pid, argv }) => `${pid} (${argv.join(' ')})`).join('; ')}`,
      );
    }
    const inits = found.filter(({ isInit }) => isInit);
    for (const { pid } of inits.length > 0 ? inits : found) {
      if (signalIfThere(pid, 'SIGKILL')) killed.add(pid);
    }
    await delay(20);
  }
}
