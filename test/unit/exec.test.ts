import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { describeError, hasCode } from '../../src/domain/errors.js';
import { exec, execOk } from '../../src/runtime/exec.js';
import { eventually } from '../support/eventually.js';

const folder = mkdtempSync(join(tmpdir(), 'pgcm-exec-'));
after(() => rmSync(folder, { recursive: true }));
const usual = { signal: new AbortController().signal, timeout: 60_000 };
const sh = (script: string): [string, string[]] => ['sh', ['-c', script]];

/** The pid that a script wrote, once it did. */
async function pidIn(name: string): Promise<number> {
  const file = join(folder, name);
  await eventually(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
  return Number(readFileSync(file, 'utf8'));
}

/** A process that was killed stays a zombie until its parent, here init, has taken note. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('exec', () => {
  it('gives output and status, without a shell', async () => {
    const result = await exec('printf', ['%s|%s', '$HOME; id', '`x`'], usual);
    assert.deepEqual(result, { stdout: '$HOME; id|`x`', stderr: '', status: 0 });
    assert.deepEqual(await exec(...sh('echo out; echo err >&2; exit 3'), usual), {
      stdout: 'out\n',
      stderr: 'err\n',
      status: 3,
    });
    assert.equal(getEventListeners(usual.signal, 'abort').length, 0);
  });

  it('keeps a letter whole that comes in two pieces', async () => {
    const { stdout } = await exec(...sh("printf '\\303'; sleep 0.1; printf '\\244'"), usual);
    assert.equal(stdout, 'ä');
  });

  it('gives the program no input to wait for', async () => {
    assert.equal((await exec('cat', [], usual)).stdout, '');
  });

  it('says that a program cannot be started', async () => {
    await assert.rejects(
      exec('pgcm-no-such-program', ['--x'], usual),
      (error) =>
        hasCode(error, 'unavailable') &&
        /no-such-program --x: cannot be started: .*ENOENT/.test(describeError(error)),
    );
  });

  it('says that a program died by a signal', async () => {
    await assert.rejects(
      exec(...sh('kill -SEGV $$'), usual),
      (error) => hasCode(error, 'unavailable') && error.message.endsWith('ended by SIGSEGV'),
    );
  });

  it('kills a program and its children at the timeout', async () => {
    const call = exec(...sh(`sleep 1000 & echo $! > ${folder}/child; wait`), { ...usual, timeout: 1_000 });
    await assert.rejects(call, (error) => hasCode(error, 'timed-out') && /within 1s/.test(error.message));
    const child = await pidIn('child');
    await eventually(() => !isRunning(child));
  });

  it('kills it when the signal is aborted', async () => {
    const controller = new AbortController();
    const call = exec(...sh(`echo $$ > ${folder}/aborted; exec sleep 1000`), {
      ...usual,
      signal: controller.signal,
    });
    const pid = await pidIn('aborted');
    controller.abort();
    await assert.rejects(call, { code: 'aborted' });
    await eventually(() => !isRunning(pid));
    await assert.rejects(exec('true', [], { ...usual, signal: controller.signal }), { code: 'aborted' });
  });

  it('is not held up by a grandchild that left the group and keeps the pipes', async () => {
    const script = `setsid sh -c 'echo $$ > ${folder}/escaped; exec sleep 1000' & wait`;
    const controller = new AbortController();
    const call = exec(...sh(script), { ...usual, signal: controller.signal });
    const pid = await pidIn('escaped');
    try {
      controller.abort();
      await assert.rejects(call, { code: 'aborted' });
      assert.equal(isRunning(pid), true);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  it('ends a program that prints without end', async () => {
    await assert.rejects(
      exec('yes', [], { ...usual, maxOutput: 10_000 }),
      (error) => hasCode(error, 'invalid-answer') && /more than 10000/.test(error.message),
    );
  });
});

describe('execOk', () => {
  it('quotes what a failed program said', async () => {
    await assert.rejects(execOk(...sh('echo why >&2; exit 7'), usual), { message: /exit status 7: why$/ });
    await assert.rejects(execOk(...sh('echo because; exit 7'), usual), {
      message: /exit status 7: because$/,
    });
    await assert.rejects(execOk('false', [], usual), { message: /exit status 1: it printed nothing$/ });
    assert.equal((await execOk('true', [], usual)).status, 0);
  });
});
