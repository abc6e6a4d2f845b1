import { spawn } from 'node:child_process';
import { kill } from 'node:process';
import type { Readable } from 'node:stream';
import { PgcmError } from '../domain/errors.js';
import { abortError } from './deadline.js';
import type { Milliseconds } from '../domain/time.js';
import { timerSpan } from './clock.js';
import { formatDuration } from './durations.js';

/** How long a killed program may take to be gone before it is left to the kernel; ms. */
const KILL_GRACE: Milliseconds = 500;

export interface ExecOptions {
  readonly signal: AbortSignal;
  readonly timeout: Milliseconds;
  /** Characters of output after which the program is ended: what it prints is rubbish then. */
  readonly maxOutput?: number;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; a program ended by a signal is an error, not a status. */
  readonly status: number;
}

/**
 * Runs a program without a shell and waits for its end. On timeout or abort its whole process group
 * is killed: a program that hangs in a child of its own must not stay behind.
 *
 * @throws PgcmError `unavailable` when it cannot be started or dies by a signal, `timed-out`,
 *   `aborted`, `invalid-answer` when it prints more than maxOutput (4 Mi characters)
 */
export function exec(file: string, args: readonly string[], options: ExecOptions): Promise<ExecResult> {
  const what = [file, ...args].join(' ');
  const { signal, timeout, maxOutput = 4 * 1024 * 1024 } = options;
  if (signal.aborted) return Promise.reject(abortError(signal, what));
  return new Promise((resolve, reject) => {
    // In its own process group, so that the group can be killed as one.
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    // Out of file descriptors there are no pipes, whatever their type says.
    const pipes: Partial<Record<'stdout' | 'stderr', Readable | null>> = child;
    let ended: PgcmError | undefined;
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    child.on('error', (cause) =>
      settle(() => reject(new PgcmError('unavailable', `${what}: cannot be started`, { cause }))),
    );
    const end = (error: PgcmError): void => {
      if (ended !== undefined) return;
      ended = error;
      if (child.pid !== undefined) killGroup(child.pid);
      // A grandchild in a session of its own survives that and holds the pipes; a program in an
      // uninterruptible sleep (a dead disk or mount) survives it, too. Neither may hold our caller.
      pipes.stdout?.destroy();
      pipes.stderr?.destroy();
      setTimeout(() => {
        child.unref();
        settle(() => reject(error));
      }, KILL_GRACE).unref();
    };
    const timer = setTimeout(
      () =>
        end(
          new PgcmError('timed-out', `${what}: killed, as it did not end within ${formatDuration(timeout)}`),
        ),
      timerSpan(timeout),
    );
    const onAbort = (): void => end(abortError(signal, what));
    signal.addEventListener('abort', onAbort, { once: true });

    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      pipes[name]?.setEncoding('utf8').on('data', (chunk: string) => {
        output[name] += chunk;
        if (output[name].length > maxOutput) {
          end(
            new PgcmError(
              'invalid-answer',
              `${what}: killed, as it printed more than ${maxOutput} characters`,
            ),
          );
        }
      });
    }
    child.on('close', (status, killedBy) =>
      settle(() => {
        if (ended) reject(ended);
        else if (status === null) reject(new PgcmError('unavailable', `${what}: ended by ${killedBy}`));
        else resolve({ ...output, status });
      }),
    );
  });
}

function killGroup(pid: number): void {
  try {
    kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: it ended by itself in the meantime, which is what was wanted.
  }
}

/** Like exec, but a status other than 0 is an error that quotes what the program said. */
export async function execOk(
  file: string,
  args: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const result = await exec(file, args, options);
  if (result.status === 0) return result;
  const said = (result.stderr.trim() || result.stdout.trim() || 'it printed nothing').slice(0, 400);
  throw new PgcmError('unavailable', `${[file, ...args].join(' ')}: exit status ${result.status}: ${said}`);
}
