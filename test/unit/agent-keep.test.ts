import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { packageFile } from '../../src/runtime/package-root.js';

const run = promisify(execFile);

test('what the agent keeps is whole, also when two of its actions keep it at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pgcm-keep-'));
  try {
    const file = join(folder, 'state', 'highest');
    const script = `. "$1"; for i in $(seq 60); do echo "$2 $i" | keep "$3" || exit 1; done`;
    const record = packageFile('agent', 'lib', 'record.sh');
    const keepers = ['first', 'second'].map((name) =>
      run('sh', ['-c', script, 'keeper', record, name, file]),
    );
    for (const { stderr } of await Promise.all(keepers)) assert.equal(stderr, '');
    assert.match(await readFile(file, 'utf8'), /^(?:first|second) 60\n$/);
    assert.deepEqual(await readdir(join(folder, 'state')), ['highest']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
