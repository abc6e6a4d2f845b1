/** `npm run test:faults`: every case of what dies in a switchover, over some playgrounds in parallel. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository } from '../../playground/paths.js';
import { Arena } from './arena.js';
import { allCases, subset, type FaultCase } from './cases.js';
import { runCase, type CaseResult } from './run-case.js';

const help = `Usage: npm run test:faults -- [PATTERN] [--playgrounds N] [--subset] [--out FOLDER] [--list]

Kills or freezes one part of the system in one step of a switchover, and looks what comes of it.

  PATTERN          a regular expression for the names of cases: VICTIM SIGNAL STEP
  --playgrounds N  how many clusters work side by side (2)
  --subset         the cases that \`npm test\` runs
  --out FOLDER     where summary.txt and the logs of failed cases go (dist/faults)
  --list           only name the cases
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    playgrounds: { type: 'string', default: '2' },
    subset: { type: 'boolean', default: false },
    out: { type: 'string', default: join(repository, 'dist', 'faults') },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const lines: string[] = [];
const pattern = new RegExp(positionals.join(' '));
const chosen = (values.subset ? subset : allCases).filter(({ name }) => pattern.test(name));

if (values.help) console.log(help);
else if (values.list) for (const { name } of chosen) console.log(name);
else process.exitCode = await runAll(Number(values.playgrounds));

async function runAll(playgrounds: number): Promise<number> {
  if (!Number.isInteger(playgrounds) || playgrounds < 1) throw new Error('--playgrounds is a number from 1');
  mkdirSync(values.out, { recursive: true });
  const queue = [...chosen];
  const results: CaseResult[] = [];
  let stopped = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (!stopped) say(`${signal}: no further case is begun`);
      stopped = true;
    });
  }
  const worker = async (number: number): Promise<void> => {
    let arena: Arena | undefined;
    try {
      for (let one = queue.shift(); one !== undefined && !stopped; one = queue.shift()) {
        arena ??= await Arena.up(`faults-${process.pid}-${number}`);
        const result = await runSafely(arena, one);
        results.push(result);
        tell(result);
        // What a failed case left would be the next one's failure.
        if (result.violations.length > 0) {
          await arena.down();
          arena = undefined;
        }
      }
    } finally {
      await arena?.down();
    }
  };
  const workers = Array.from({ length: Math.min(playgrounds, chosen.length) }, (_, index) =>
    worker(index + 1),
  );
  const ends = await Promise.allSettled(workers);
  for (const end of ends) if (end.status === 'rejected') say(`a playground failed: ${String(end.reason)}`);
  const failed = results.filter(({ violations }) => violations.length > 0).length;
  const missing = chosen.length - results.length;
  const closing = `${results.length - failed} passed, ${failed} failed, ${missing} not run`;
  say(closing);
  writeFileSync(join(values.out, 'summary.txt'), `${lines.join('\n')}\n`);
  return failed + missing === 0 && results.length > 0 ? 0 : 1;
}

async function runSafely(arena: Arena, one: FaultCase): Promise<CaseResult> {
  const startedAt = performance.now();
  try {
    return await runCase(arena, one);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const ms = performance.now() - startedAt;
    return { name: one.name, status: undefined, longestSilence: 0, ms, violations: [why], evidence: '' };
  }
}

function tell({ name, status, longestSilence, ms, violations, evidence }: CaseResult): void {
  const seconds = (value: number): string => `${(value / 1_000).toFixed(1)} s`;
  const how = `status ${status ?? '?'}, longest silence ${seconds(longestSilence)}, ${seconds(ms)}`;
  say(`${violations.length === 0 ? 'ok  ' : 'FAIL'}  ${name.padEnd(36)} ${how}`);
  for (const violation of violations) say(`        ${violation.slice(0, 600)}`);
  if (evidence === '') return;
  const file = join(values.out, `${name.replaceAll(' ', '-')}.log`);
  writeFileSync(file, evidence);
  say(`        logs: ${file}`);
}

function say(line: string): void {
  lines.push(line);
  console.log(line);
}
