import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { hasCode } from '../../src/domain/errors.js';
import type { OutputSettings } from '../../src/domain/output.js';
import { TemplatedOutput } from '../../src/outputs/templated-output.js';
import { viewAt } from '../fakes/views.js';

const never = new AbortController().signal;
const FIRST = viewAt('10.0.0.1');
const SECOND = viewAt('10.0.0.2');
const THIRD = viewAt('10.0.0.3');

describe('an output made from a template', () => {
  let folder: string;
  let file: string;

  const read = (name = 'app.conf'): string => readFileSync(join(folder, name), 'utf8');
  const lines = (name: string): string[] => read(name).trim().split('\n');
  const template = (text = 'to {{Host}}\n'): void => writeFileSync(join(folder, 'template'), text);
  /** A program that notes its arguments in a file of its name, and then does what is given. */
  const program = (name: string, then = ''): string => {
    const path = join(folder, `${name}.sh`);
    writeFileSync(path, `#!/bin/sh\necho "- $@" >>${join(folder, name)}\n${then}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const open = (options: Partial<OutputSettings> = {}): TemplatedOutput =>
    new TemplatedOutput({
      name: 'app',
      template: join(folder, 'template'),
      file,
      owner: '',
      mode: undefined,
      check: [],
      reload: [],
      timeout: 5_000,
      ...options,
    });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgcm-output-'));
    file = join(folder, 'app.conf');
    template();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes, checks what will be the file, and tells the program, without a shell', async () => {
    const check = [program('check', `grep -q 'to 10' "$1" && cp "$1" ${folder}/seen`), '{file}', '$HOME; x'];
    const output = open({ check, reload: [program('reload'), '--file={file}'] });
    assert.equal(output.isCurrent(FIRST), false);
    assert.deepEqual(await output.apply(FIRST, never), {
      outcome: 'written',
      reloaded: true,
      staleTemplate: undefined,
    });
    assert.equal(read(), 'to 10.0.0.1\n');
    assert.equal(read('seen'), 'to 10.0.0.1\n');
    assert.match(read('check'), /\/\.app\.conf\.pgcm-\S+ \$HOME; x\n$/);
    assert.deepEqual(lines('reload'), [`- --file=${file}`]);
    assert.deepEqual([output.isCurrent(FIRST), output.isCurrent(SECOND)], [true, false]);
  });

  it('neither writes nor tells where nothing changes, also over a restart', async () => {
    const [check, reload] = [[program('check'), '{file}'], [program('reload')]];
    await open({ check, reload }).apply(FIRST, never);
    const { ino } = statSync(file);
    assert.deepEqual((await open({ check, reload }).apply(FIRST, never)).outcome, 'unchanged');
    assert.equal(statSync(file).ino, ino);
    assert.deepEqual([lines('check').length, lines('reload').length], [1, 1]);
  });

  it('keeps the last good file while the check fails, and says why', async () => {
    const check = [
      program('check', 'grep -q 10.0.0.2 "$1" && { echo "$1:1 is bad" >&2; exit 3; }; exit 0'),
      '{file}',
    ];
    const output = open({ check, reload: [program('reload')] });
    await output.apply(FIRST, never);
    await assert.rejects(output.apply(SECOND, never), (error) => {
      assert.ok(hasCode(error, 'refused'));
      assert.match(error.message, /exit status 3: \S*\/app\.conf:1 is bad; it is as it was/);
      return true;
    });
    assert.equal(read(), 'to 10.0.0.1\n');
    assert.deepEqual([output.isCurrent(SECOND), lines('reload').length], [false, 1]);
    await output.apply(THIRD, never);
    assert.equal(read(), 'to 10.0.0.3\n');
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('keeps the last good file when the check hangs', async () => {
    const output = open({ check: [program('check', 'sleep 60'), '{file}'], timeout: 100 });
    writeFileSync(file, 'old');
    await assert.rejects(output.apply(FIRST, never), (error) => hasCode(error, 'timed-out'));
    assert.equal(read(), 'old');
  });

  it('does not forget that the program was not told, also over a restart', async () => {
    const reload = [program('reload', `test -e ${join('$(dirname "$0")', 'up')}`)];
    const output = open({ reload });
    await assert.rejects(output.apply(FIRST, never), /reload\.sh: exit status 1/);
    assert.equal(read(), 'to 10.0.0.1\n');
    assert.equal(output.isCurrent(FIRST), false);
    await assert.rejects(open({ reload }).apply(FIRST, never), /exit status 1/);
    writeFileSync(join(folder, 'up'), '');
    const later = open({ reload });
    assert.deepEqual(await later.apply(FIRST, never), {
      outcome: 'unchanged',
      reloaded: true,
      staleTemplate: undefined,
    });
    assert.equal((await open({ reload }).apply(FIRST, never)).reloaded, false);
    assert.equal(lines('reload').length, 3);
  });

  it('does not take for done what was, when a later attempt got half way', async () => {
    const reload = [program('reload', 'test -e "$(dirname "$0")/up"')];
    writeFileSync(join(folder, 'up'), '');
    const output = open({ reload });
    await output.apply(FIRST, never);
    rmSync(join(folder, 'up'));
    await assert.rejects(output.apply(SECOND, never), /exit status 1/);
    assert.equal(read(), 'to 10.0.0.2\n');
    assert.equal(output.isCurrent(FIRST), false);
    writeFileSync(join(folder, 'up'), '');
    assert.deepEqual((await output.apply(FIRST, never)).outcome, 'written');
    assert.equal(read(), 'to 10.0.0.1\n');
  });

  it('gives the file its mode and owner, also one that is there', async () => {
    writeFileSync(file, 'to 10.0.0.1\n', { mode: 0o644 });
    const { uid, gid } = statSync(file);
    const output = open({ mode: 0o600, owner: `${uid}:${gid}` });
    assert.equal((await output.apply(FIRST, never)).outcome, 'written');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal((await output.apply(FIRST, never)).outcome, 'unchanged');
  });

  it('finds users and groups by name', async () => {
    if (process.getuid?.() !== 0) return;
    const output = open({ owner: 'nobody:nogroup' });
    await output.apply(FIRST, never);
    assert.deepEqual([statSync(file).uid, statSync(file).gid], [65_534, 65_534]);
    await assert.rejects(open({ owner: 'no-such-user' }).apply(SECOND, never), /no user no-such-user/);
    assert.equal(read(), 'to 10.0.0.1\n');
  });

  it('waits for a template that cannot be used, and goes on with the last usable one', async () => {
    template('{{Hots}}');
    const output = open();
    await assert.rejects(output.apply(FIRST, never), /template:1:3: "Hots"/);
    template();
    await output.apply(FIRST, never);
    template('{{Host');
    assert.match((await output.apply(SECOND, never)).staleTemplate ?? '', /template:1:/);
    assert.equal(read(), 'to 10.0.0.2\n');
  });
});
