// One test file, in a process group of its own: it can hang, crash or leave children behind.
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';

const graceMs = 10_000;
const lingerMs = 2_000;

/**
 * @typedef {object} FileResult
 * @property {string} file
 * @property {number} passed
 * @property {number} failed
 * @property {string[]} skipped names of tests
 * @property {string[]} complaints what went wrong besides failed tests; each counts as a failure
 * @property {number} ms
 */

/**
 * Run a compiled test file to its end. It fails also when it crashes, runs no test, or takes too long.
 *
 * @param {object} options
 * @param {string[]} options.command what to run, the file and its options included
 * @param {string} options.file the name to show
 * @param {number} options.timeoutMs after which its process group is ended
 * @param {boolean} options.mayBeEmpty no test need match (a name pattern was given)
 * @param {AbortSignal} options.signal
 * @param {(text: string) => void} options.print what it says, as it comes
 * @returns {Promise<FileResult>}
 */
export async function runTestFile({ command, file, timeoutMs, mayBeEmpty, signal, print, environment }) {
  const start = performance.now();
  const [program, ...args] = command;
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment ?? process.env,
  });
  const counts = { passed: 0, failed: 0, skipped: [] };
  const read = countReader(counts, print);
  child.stdout.setEncoding('utf8').on('data', read);
  child.stderr.setEncoding('utf8').on('data', print);

  const complaints = [];
  const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killedBy) => resolve(code ?? killedBy));
  });
  const onStop = () => void endGroup(child.pid, ended);
  stop.addEventListener('abort', onStop, { once: true });
  const status = await ended;
  stop.removeEventListener('abort', onStop);

  if (signal.aborted) complaints.push('interrupted');
  else if (stop.aborted) complaints.push(`not done after ${timeoutMs / 1000} s, and ended`);
  else if (status !== 0 && counts.failed === 0) complaints.push(`ended with ${status} though no test failed`);
  else if (counts.passed + counts.failed + counts.skipped.length === 0 && !mayBeEmpty) {
    complaints.push('it has no test');
  }
  // A child that was just ended needs a moment to be gone.
  const patience = performance.now() + lingerMs;
  while (groupIsThere(child.pid) && performance.now() < patience) await delay(20);
  if (groupIsThere(child.pid)) {
    complaints.push('it left processes behind, which were killed');
    signalGroup(child.pid, 'SIGKILL');
  }
  for (const complaint of complaints) print(`✖ ${file}: ${complaint}\n`);
  return { file, ...counts, complaints, ms: performance.now() - start };
}

/** Takes the reporter's counts out of a stream of text, and hands the rest on. */
function countReader(counts, print) {
  let rest = '';
  return (chunk) => {
    const parts = (rest + chunk).split('\u001e');
    rest = '';
    print(parts.shift());
    for (const part of parts) {
      const end = part.indexOf('\n');
      if (end === -1) {
        rest = `\u001e${part}`;
        continue;
      }
      Object.assign(counts, JSON.parse(part.slice(0, end)));
      print(part.slice(end + 1));
    }
  };
}

async function endGroup(group, ended) {
  signalGroup(group, 'SIGTERM');
  const timer = new AbortController();
  await Promise.race([ended, delay(graceMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
  signalGroup(group, 'SIGKILL');
}

function groupIsThere(group) {
  return signalGroup(group, 0);
}

function signalGroup(group, signal) {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    throw error;
  }
}
