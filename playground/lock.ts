import { spawn } from 'node:child_process';
import { PlaygroundError } from './errors.js';
import { firstLine } from './lines.js';
import { killGroup, toolEnvironment } from './exec.js';

export interface Lock {
  readonly holder: number | undefined;
  /** Aborted when the lock is lost because its holder process was ended (by `down`). */
  readonly lost: AbortSignal;
  release(): void;
}

/**
 * Take an exclusive lock on a file. Node cannot flock(2), so a child process holds it; the child's
 * input is a pipe from here, so the lock goes away with this process, however that ends.
 * @param wait false: answer undefined at once when somebody else has it
 */
export async function takeLock(
  file: string,
  marker: string,
  wait: boolean,
  signal?: AbortSignal,
): Promise<Lock | undefined> {
  const busy = 75;
  const mode = wait ? [] : ['--nonblock', '--conflict-exit-code', String(busy)];
  const child = spawn('flock', ['--no-fork', ...mode, file, 'sh', '-c', 'echo locked; read -r end', marker], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: toolEnvironment(),
  });
  const stop = (): void => killGroup(child, 'SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const lost = new AbortController();
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const taken = await new Promise<boolean>((resolve, reject) => {
    void firstLine(child.stdout).then(() => resolve(true));
    child.once('error', reject);
    child.once('exit', (code) => {
      lost.abort(new PlaygroundError(`the lock ${file} was taken away (by \`down\`?)`));
      if (code === busy) resolve(false);
      else
        reject(
          new PlaygroundError(
            `cannot lock ${file}: ${complaint.trim() || `flock ended with ${code ?? 'a signal'}`}`,
          ),
        );
    });
  }).finally(() => signal?.removeEventListener('abort', stop));
  signal?.throwIfAborted();
  if (!taken) return undefined;
  return { holder: child.pid, lost: lost.signal, release: () => child.stdin.end() };
}
