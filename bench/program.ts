import { constants } from 'node:os';
import { PlaygroundError } from '../playground/errors.js';
import { messageOf, UsageError } from './errors.js';

/** Terminals and npm may both hand on one Ctrl-C; a second within this time is the same one. */
const sameKeyMs = 300;

/**
 * Run a program's work with a signal that Ctrl-C aborts; a second Ctrl-C ends it at once. What goes
 * wrong is one line on stderr. @returns the exit status
 */
export async function runProgram(
  name: string,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  let [interruptedAt, status] = [0, 0];
  const interrupt = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (controller.signal.aborted) {
      if (now > interruptedAt + sameKeyMs) process.exit(status);
      return;
    }
    [interruptedAt, status] = [now, 128 + constants.signals[signal]];
    console.error(`${name}: ended by ${signal}, cleaning up (again: at once)`);
    controller.abort(new Error(`ended by ${signal}`));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  try {
    const result = await work(controller.signal);
    return status === 0 ? result : status;
  } catch (error) {
    if (status !== 0) return status;
    const expected = error instanceof UsageError || error instanceof PlaygroundError;
    console.error(`${name}: ${expected ? error.message : ((error as Error).stack ?? messageOf(error))}`);
    return error instanceof UsageError ? 2 : 1;
  }
}
