import { Playground, type UpOptions } from '../playground/client.js';
import { messageOf } from './errors.js';

export interface PlaygroundChoice {
  readonly name: string;
  /** What its hosts are, if not pgcm's. */
  readonly up?: Pick<UpOptions, 'until' | 'instead' | 'agent'>;
  /** Use one that is up, and leave it up. */
  readonly running: boolean;
  /** Leave it up when all went well. */
  readonly keep: boolean;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Boot a playground for some work. It is taken down afterwards, whether the work succeeded, failed or
 * was interrupted; a playground that was up before is left alone.
 */
export async function withPlayground<T>(
  { name, up, running, keep, log, signal }: PlaygroundChoice,
  work: (playground: Playground) => Promise<T>,
): Promise<T> {
  if (running) return work(Playground.attach(name));
  const playground = await Playground.up({ ...up, name, log, signal });
  let result: T;
  try {
    result = await work(playground);
  } catch (error) {
    log(`taking playground '${name}' down`);
    // The work's error is the one to tell; that the clean-up failed, too, is said beside it.
    await playground.down().catch((failure: unknown) => log(`clean-up: ${messageOf(failure)}`));
    throw error;
  }
  if (!keep) {
    log(`taking playground '${name}' down`);
    await playground.down();
  }
  return result;
}

/** Lines with the seconds since now in front. */
export function stopwatch(print: (line: string) => void): (line: string) => void {
  const start = performance.now();
  return (line) => print(`${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${line}`);
}
