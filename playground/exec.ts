import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { PlaygroundError } from './errors.js';

export interface RunOptions {
  /** The process group is killed with SIGKILL when this is over. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly input?: string | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

export interface RunResult {
  /** The exit status; 128 + N if signal N ended it, as in a shell. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `su` and cron leave the sbin folders out of PATH. */
export function toolEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...environment, PATH: `${environment['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin` };
}

/** What a command gets inside: nothing of the caller's environment but its terminal's type. */
export function cleanEnvironment(): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    TERM: process.env['TERM'] ?? 'dumb',
  };
}

/**
 * Run a program to its end and keep what it said.
 * @throws PlaygroundError when it cannot be started or takes longer than timeoutMs; the signal's reason when aborted
 */
export async function run(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const child = spawn(file, args, {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: options.environment ?? toolEnvironment(),
  });
  child.stdin.on('error', () => {
    // The program ended without reading its input: its exit status tells more.
  });
  child.stdin.end(options.input ?? '');
  return collect(child, [file, ...args].join(' '), options);
}

/** Wait for a child that leads its own process group. */
export async function collect(
  child: ChildProcess,
  title: string,
  options: Pick<RunOptions, 'timeoutMs' | 'signal'>,
): Promise<RunResult> {
  const output = [gather(child.stdout), gather(child.stderr)] as const;
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const stop = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const kill = (): void => killGroup(child, 'SIGKILL');
  stop.addEventListener('abort', kill, { once: true });
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(code ?? 128 + signalNumber(signal)));
    });
    options.signal?.throwIfAborted();
    if (timeout.aborted) {
      throw new PlaygroundError(`'${title}' was not done after ${options.timeoutMs} ms and was killed`);
    }
    return { status, stdout: output[0](), stderr: output[1]() };
  } finally {
    stop.removeEventListener('abort', kill);
  }
}

/** Signal a detached child's whole process group; nothing happens when it is gone. */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals | number): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  signalIfThere(-child.pid, signal);
}

/** @returns false when there is no such process (any more) */
export function signalIfThere(pid: number, signal: NodeJS.Signals | number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function gather(stream: Readable | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Like run(), for programs that must succeed. */
export async function runChecked(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  const result = await run(file, args, options);
  if (result.status === 0) return result.stdout;
  const said = (result.stderr.trim() || result.stdout.trim()).split('\n').at(-1) ?? '';
  throw new PlaygroundError(`'${[file, ...args].join(' ')}' ended with status ${result.status}: ${said}`);
}

export function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : constants.signals[signal];
}
