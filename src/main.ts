#!/usr/bin/env node
import type { Output } from './cli/context.js';
import { run } from './cli/run.js';
import { abortOnSignals } from './runtime/interrupt.js';

/** A stream whose reader may go away at any time, which must not end a failover half-way. */
function output(stream: NodeJS.WriteStream): Output & { failure?: Error } {
  const out: Output & { failure?: Error } = {
    write: (text) => void stream.write(text),
    isTerminal: stream.isTTY,
  };
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // EPIPE: `pgcm show-config | head`. EIO: the terminal was closed. Nobody is left to be told.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') out.failure = error;
  });
  return out;
}

const stdout = output(process.stdout);
const stderr = output(process.stderr);
let status = await run(process.argv.slice(2), process.env, { stdout, stderr }, abortOnSignals(process));
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
if (stdout.failure !== undefined) {
  stderr.write(`pgcm: writing to stdout: ${stdout.failure.message}\n`);
  status ||= 1;
}
process.exit(status);
