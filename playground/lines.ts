import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/**
 * Call back for each line of a stream. Its errors stay the stream's: readline repeats them on its own
 * emitter, where nobody listening would end the program.
 */
export function onLine(stream: Readable, callback: (line: string) => void): void {
  createInterface(stream).on('line', callback).on('error', ignore);
}

/** The first line of a stream; never settles without one. */
export function firstLine(stream: Readable): Promise<string> {
  return new Promise((resolve) => onLine(stream, resolve));
}

function ignore(): void {
  // The stream's own error handler has seen it.
}
