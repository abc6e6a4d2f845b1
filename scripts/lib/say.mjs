// What the set-up says goes to stderr: `npm run playground -- status --json` must stay pure JSON.
import { performance } from 'node:perf_hooks';

export function say(line) {
  process.stderr.write(`pgcm: ${line}\n`);
}

/** Prints what is done, and how long it took once it is. */
export function timed(what, action) {
  const start = performance.now();
  say(`${what} ...`);
  const result = action();
  say(`${what}: done in ${seconds(performance.now() - start)}`);
  return result;
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
