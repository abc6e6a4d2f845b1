import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * Run one of the project's programs with this terminal.
 * @returns its exit status, as a shell counts it
 */
export function runProgram(file, args) {
  const child = spawn(process.execPath, ['--enable-source-maps', file, ...args], { stdio: 'inherit' });
  // On a terminal Ctrl-C reaches the program by itself; twice would mean "end at once" to it.
  const forward = (signal) => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
