import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The project's test runner is plain JavaScript, as it runs before anything is built. */
interface Runner {
  readonly runTestFile: (options: {
    readonly command: readonly string[];
    readonly file: string;
    readonly timeoutMs: number;
    readonly mayBeEmpty: boolean;
    readonly signal: AbortSignal;
    readonly print: (text: string) => void;
  }) => Promise<{
    readonly passed: number;
    readonly failed: number;
    readonly skipped: readonly string[];
    readonly complaints: readonly string[];
  }>;
}

const scripts = fileURLToPath(new URL('../../../scripts/test', import.meta.url));
const { runTestFile } = (await import(pathToFileURL(join(scripts, 'test-file.mjs')).href)) as Runner;
const folder = mkdtempSync(join(tmpdir(), 'pgcm-runner-'));
after(() => rmSync(folder, { recursive: true }));

async function run(source: string, { timeoutMs = 60_000, pattern = '', interruptAt = '' } = {}) {
  const file = join(folder, 'one.test.mjs');
  writeFileSync(file, `import { describe, it, test } from 'node:test';\n${source}`);
  let printed = '';
  const controller = new AbortController();
  const result = await runTestFile({
    command: [
      process.execPath,
      ...['--test-reporter', join(scripts, 'reporter.mjs'), '--test-reporter-destination', 'stdout'],
      ...(pattern === '' ? [] : [`--test-name-pattern=${pattern}`]),
      file,
    ],
    file: 'one',
    timeoutMs,
    mayBeEmpty: pattern !== '',
    signal: controller.signal,
    print: (text) => {
      printed += text;
      if (interruptAt !== '' && printed.includes(interruptAt)) controller.abort();
    },
  });
  const { passed, failed, skipped, complaints } = result;
  return { passed, failed, skipped, complaints, printed };
}

test('tests and subtests are counted, suites are not, skipped and todo ones are named', async () => {
  const result = await run(`
    test('a', async (t) => { await t.test('b', () => {}); });
    describe('suite', () => { it('c', () => {}); it('d', { skip: true }, () => {}); });
    test('e', { todo: 'later' }, () => {});
    test('f', () => { throw new Error('reason of f'); });`);
  const { printed, ...counts } = result;
  assert.deepEqual(counts, { passed: 3, failed: 1, skipped: ['d', 'e'], complaints: [] });
  assert.match(printed, /reason of f/);
  assert.doesNotMatch(printed, /"passed"/);
});

test('a file without tests fails', async () => {
  assert.deepEqual((await run('')).complaints, ['it has no test']);
});

test('a file that ends with an error although its tests passed fails', async () => {
  const result = await run(`test('a', () => {}); process.on('exit', () => { process.exitCode = 3; });`);
  assert.deepEqual(result.complaints, ['ended with 3 though no test failed']);
});

test('a suite that fails with one of its tests is no second failure', async () => {
  const { passed, failed } = await run(`
    describe('suite', () => { it('a', () => {}); it('b', () => { throw new Error('b'); }); });`);
  assert.deepEqual({ passed, failed }, { passed: 1, failed: 1 });
});

test('a suite whose hook fails is a failure', async () => {
  const result = await run(`
    import { before } from 'node:test';
    describe('suite', () => { before(() => { throw new Error('hook'); }); it('a', () => {}); });`);
  assert.ok(result.failed > 0);
});

const hanging = `test('a', () => {}); test('hangs', () => new Promise(() => setInterval(() => {}, 1000)));`;

test('a file that hangs is ended', async () => {
  const { complaints } = await run(hanging, { timeoutMs: 1_500 });
  assert.deepEqual(complaints, ['not done after 1.5 s, and ended']);
});

test('an interrupted file keeps what passed until then, and fails', async () => {
  const { passed, complaints } = await run(hanging, { interruptAt: '✔ a' });
  assert.equal(passed, 1);
  assert.deepEqual(complaints, ['interrupted']);
});

test('processes that a file leaves behind are killed, and fail it', async () => {
  const result = await run(`
    import { spawn } from 'node:child_process';
    test('a', () => { spawn('sleep', ['600'], { stdio: 'ignore' }).unref(); });`);
  assert.deepEqual(result.complaints, ['it left processes behind, which were killed']);
});

test('tests that a name pattern leaves out are not skipped ones', async () => {
  const source = `test('wanted', () => {}); describe('suite', () => { it('other', () => {}); });`;
  const { passed, failed, skipped, complaints } = await run(source, { pattern: 'wanted' });
  assert.deepEqual(
    { passed, failed, skipped, complaints },
    { passed: 1, failed: 0, skipped: [], complaints: [] },
  );
  assert.deepEqual((await run(source, { pattern: 'nothing' })).complaints, []);
});
