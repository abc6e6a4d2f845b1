// `npm test`: lint, types, unit, model, contract, acceptance, and one count over all of them at the end.
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { performance } from 'node:perf_hooks';
import { compiled, filesBelow, inRepository, repository } from '../lib/checkout.mjs';
import { Problem } from '../lib/problem.mjs';
import { say, seconds } from '../lib/say.mjs';
import { endLeftPlaygrounds, endSharedPlayground, sharedPlayground } from './left-playgrounds.mjs';
import { runTestFile } from './test-file.mjs';

const minute = 60_000;
/** The state of all playgrounds of this run: whatever a test leaves behind is found in here. */
const playgrounds = `/run/pgcm-test-${process.pid}`;

/**
 * The kinds of tests. `inLayer`: inside the playground's package layer, because they run servers which
 * this machine need not have. The deadlines are for a file that hangs, not for a slow machine.
 */
const kinds = {
  unit: { concurrency: 2, timeoutMs: 5 * minute, inLayer: false },
  // All courses of a protocol, in memory: no server, but a core and some memory for each file.
  model: { concurrency: 2, timeoutMs: 5 * minute, inLayer: false },
  contract: { concurrency: 2, timeoutMs: 10 * minute, inLayer: true },
  // One at a time: each boots a cluster of its own.
  acceptance: { concurrency: 1, timeoutMs: 40 * minute, inLayer: false },
};

const parts = ['lint', ...Object.keys(kinds)];

/** @throws Problem for words that are neither a part nor one pattern after the parts */
export function parseTestArguments(args) {
  const patternAt = args.findIndex((word) => !parts.includes(word));
  const chosen = patternAt === -1 ? args : args.slice(0, patternAt);
  const rest = patternAt === -1 ? [] : args.slice(patternAt);
  const [pattern] = rest;
  if (rest.length > 1 || pattern?.startsWith('-')) {
    throw new Problem(`usage: npm test -- [${parts.join('|')}]... [PATTERN]; got '${rest.join(' ')}'`, 2);
  }
  const wanted = parts.filter((part) => chosen.length === 0 || chosen.includes(part));
  return {
    parts: pattern === undefined ? wanted : wanted.filter((part) => part !== 'lint'),
    pattern: pattern === undefined ? undefined : regularExpression(pattern),
    needsMachine: wanted.includes('contract') || wanted.includes('acceptance'),
  };
}

function regularExpression(text) {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new Problem(`the pattern is no regular expression: ${error.message}`, 2);
  }
}

/** The build before this has checked the types. @returns the exit status */
export async function runTests({ parts: wanted, pattern }) {
  const stopper = new AbortController();
  const stop = (signal) => stopper.abort(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  const stages = [{ name: 'types', ms: 0, passed: 1, failed: 0, skipped: [] }];
  for (const part of wanted) {
    if (stopper.signal.aborted) break;
    print(`\n== ${part}\n`);
    stages.push(part === 'lint' ? await lint(stopper.signal) : await runKind(part, pattern, stopper.signal));
  }
  return summary(stages, pattern, stopper.signal);
}

/** The set-up failed (also: the types are wrong). That is a failure, and there is nothing to count. */
export function notTested({ lines }) {
  for (const line of lines) say(line);
  print('The set-up failed: no stage was run.\n');
  print(`${countLine({ passed: 0, failed: 1, skipped: [] })}\n`);
  return 1;
}

async function lint(signal) {
  const start = performance.now();
  const programs = [
    ['eslint', inRepository('node_modules/eslint/bin/eslint.js'), '.'],
    [
      'dependency-cruiser',
      inRepository('node_modules/dependency-cruiser/bin/dependency-cruise.mjs'),
      ...['src', 'playground', 'bench', 'test'],
    ],
    ['prettier', inRepository('node_modules/prettier/bin/prettier.cjs'), '--check', '.'],
  ];
  const results = await inTurn(programs, 2, ([name, ...command]) => lintWith(name, command, signal));
  const passed = results.filter((isRight) => isRight).length;
  return {
    name: 'lint',
    passed,
    failed: programs.length - passed,
    skipped: [],
    ms: performance.now() - start,
  };
}

/** @returns whether it found nothing; what it says is printed at its end, so that two do not mix */
async function lintWith(name, command, signal) {
  const child = spawn(process.execPath, command, { cwd: repository, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => child.kill();
  signal.addEventListener('abort', end, { once: true });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => said.push(text));
  const [status, endedBy] = await once(child, 'close');
  signal.removeEventListener('abort', end);
  print(Buffer.concat(said).toString('utf8'));
  print(status === 0 ? `✔ ${name}\n` : `✖ ${name} ended with ${endedBy ?? `status ${status}`}\n`);
  return status === 0;
}

async function runKind(name, pattern, signal) {
  const start = performance.now();
  const all = filesBelow(inRepository('dist', 'test', name)).filter((file) => file.endsWith('.test.js'));
  const byFile = all.filter((file) => pattern?.test(basename(file)));
  // Running a file only to leave out all of its tests would still boot its servers.
  const files =
    byFile.length > 0 ? byFile : all.filter((file) => pattern?.test(readFileSync(file, 'utf8')) ?? true);
  const namePattern = byFile.length > 0 ? undefined : pattern;
  // First, so that nobody's cluster has to share the processors with one that is only kept.
  const sharing = files.filter(sharesPlayground);
  const inOrder = [...sharing, ...files.filter((file) => !sharing.includes(file))];
  const results = await inTurn(inOrder, kinds[name].concurrency, (file) =>
    signal.aborted ? undefined : runOne(name, file, namePattern, signal),
  );
  const complaints = endSharedPlayground(playgrounds, print);
  rmSync(playgrounds, { recursive: true, force: true });
  const done = results.filter((result) => result !== undefined);
  const missing = all.length === 0 ? [{ passed: 0, failed: 1, skipped: [], complaints: [] }] : [];
  if (all.length === 0) print(`✖ there are no ${name} tests\n`);
  const end = { passed: 0, failed: 0, skipped: [], complaints };
  return { name, ...total([...done, ...missing, end]), ms: performance.now() - start };
}

async function runOne(kind, file, namePattern, signal) {
  const { concurrency, timeoutMs, inLayer } = kinds[kind];
  const short = basename(file).replace('.test.js', '');
  // Side by side their lines would be mixed; alone one sees them as they come.
  const held = [];
  const write = concurrency > 1 ? (text) => held.push(text) : print;
  write(`-- ${kind}: ${short}\n`);
  const complaints = sharesPlayground(file) ? [] : endSharedPlayground(playgrounds, write);
  if (kind === 'acceptance') mkdirSync(playgrounds, { mode: 0o700, recursive: true });
  try {
    const result = await runTestFile({
      command: command(file, inLayer, namePattern),
      file: short,
      timeoutMs,
      mayBeEmpty: namePattern !== undefined,
      signal,
      print: write,
      environment: {
        ...process.env,
        ...(kind === 'acceptance'
          ? { PGCM_PLAYGROUND_DIR: playgrounds, PGCM_TEST_SHARED: sharedPlayground }
          : {}),
      },
    });
    result.complaints.push(...complaints);
    if (kind === 'acceptance') {
      result.complaints.push(...endLeftPlaygrounds(playgrounds, write));
      // What a failed test left would be the next one's failure.
      if (result.failed > 0) result.complaints.push(...endSharedPlayground(playgrounds, write));
    }
    write(`-- ${kind}: ${short}: ${countLine(total([result]))} (${seconds(result.ms)})\n`);
    return result;
  } finally {
    print(held.join(''));
  }
}

/** Whether its cluster is the one that the file before has left whole (test/acceptance/cluster.ts). */
function sharesPlayground(file) {
  return readFileSync(file, 'utf8').includes('Cluster.shared(');
}

function command(file, inLayer, namePattern) {
  const reporter = (root) => ['--test-reporter', `${root}/scripts/test/reporter.mjs`];
  const options = (root) => [
    '--enable-source-maps',
    ...reporter(root),
    ...['--test-reporter-destination', 'stdout'],
    ...(namePattern === undefined ? [] : [`--test-name-pattern=/${namePattern.source}/`]),
    root === repository ? file : file.replace(repository, root),
  ];
  if (!inLayer) return [process.execPath, ...options(repository)];
  const enter = [compiled('playground/main'), 'layer', 'exec', '--'];
  return [process.execPath, ...enter, 'node', ...options('/opt/pgcm')];
}

/** At most `width` at a time. @returns the results in the order of the items */
async function inTurn(items, width, work) {
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

function total(results) {
  return {
    passed: sum(results.map(({ passed }) => passed)),
    failed: sum(results.map(({ failed, complaints = [] }) => failed + complaints.length)),
    skipped: results.flatMap(({ skipped }) => skipped),
  };
}

function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

function summary(stages, pattern, { aborted, reason }) {
  const all = total(stages);
  const nothing = pattern !== undefined && sum(stages.slice(1).map(countOf)) === 0;
  print('\n');
  for (const stage of stages) {
    print(`${stage.name.padEnd(12)}${countLine(stage)}${stage.ms > 0 ? ` (${seconds(stage.ms)})` : ''}\n`);
  }
  for (const name of all.skipped) print(`skipped: ${name}\n`);
  const allowed = process.env.PGCM_ALLOW_SKIPPED === '1';
  if (all.skipped.length > 0 && !allowed) {
    print('A skipped test fails the run (PGCM_ALLOW_SKIPPED=1 allows it).\n');
  }
  if (nothing) print(`No test matches /${pattern.source}/.\n`);
  if (aborted) print(`Ended by ${reason}: not everything was run.\n`);
  print(`${countLine(all)}\n`);
  const failed = all.failed > 0 || nothing || aborted || (all.skipped.length > 0 && !allowed);
  return failed ? 1 : 0;
}

function countOf({ passed, failed, skipped }) {
  return passed + failed + skipped.length;
}

function countLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped.length} skipped`;
}

function print(text) {
  process.stdout.write(text);
}
