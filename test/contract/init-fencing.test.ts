import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const agent = fileURLToPath(new URL('../../../docker/fence_playground', import.meta.url));

describe('the fencing agent', () => {
  let folder: string;
  let server: Server;
  const open = new Set<Socket>();
  let requests: string[];
  /** What the power switch answers; undefined keeps silent. */
  let answer: string | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pgcm-fence-'));
    requests = [];
    server = createServer((socket) => {
      open.add(socket.on('error', () => socket.destroy()));
      socket.setEncoding('utf8').on('data', (line: string) => {
        requests.push(line.trim());
        if (answer !== undefined) socket.write(`${answer}\n`);
      });
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
  });
  afterEach(async () => {
    for (const socket of open) socket.destroy();
    open.clear();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  /** Options on standard input, as Pacemaker's fencer gives them. */
  function run(...options: string[]): Promise<{ status: number | null; out: string; err: string }> {
    const child = spawn('python3', [agent], { timeout: 20_000 });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.stdin.end([`power_socket=${join(folder, 'socket')}`, ...options, ''].join('\n'));
    return new Promise((resolve) => child.on('close', (status) => resolve({ status, out, err })));
  }

  for (const action of ['off', 'reboot']) {
    it(`${action} succeeds only when the switch says that the host is off`, async () => {
      answer = 'off';
      assert.equal((await run(`action=${action}`, 'port=pg02', 'nodename=pg02')).status, 0);
      assert.deepEqual(requests, ['off pg02']);
      for (const refusal of ['error the switch was told to fail', 'on', '']) {
        answer = refusal;
        const { status, err } = await run(`action=${action}`, 'plug=pg02');
        assert.equal(status, 1, refusal);
        assert.match(err, refusal === 'on' ? /pg02 is still on/ : /answered .* to 'off pg02'/);
      }
    });
  }

  it('fails when the switch is silent, gone, or not told whom', async () => {
    answer = undefined;
    const silent = await run('action=off', 'port=pg02', 'power_timeout=0.2');
    assert.equal(silent.status, 1);
    assert.match(silent.err, /timed out/);
    assert.equal((await run('action=off', 'port=pg02', `power_socket=${folder}/none`)).status, 1);
    assert.equal((await run('action=monitor', `power_socket=${folder}/none`)).status, 1);
    answer = 'off';
    assert.match((await run('action=off')).err, /no port/);
    assert.deepEqual(requests, ['off pg02']);
  });

  it('status is 0 for on and 2 for off', async () => {
    answer = 'on';
    assert.equal((await run('action=status', 'port=pg02')).status, 0);
    answer = 'off';
    assert.equal((await run('action=status', 'port=pg02')).status, 2);
    assert.equal((await run('action=monitor')).status, 0);
    assert.equal((await run('action=on', 'port=pg02')).status, 1);
  });

  it('describes its parameters and actions', async () => {
    const { status, out } = await run('action=metadata');
    assert.equal(status, 0);
    for (const name of ['off', 'reboot', 'status', 'monitor', 'metadata']) {
      assert.match(out, new RegExp(`<action name="${name}"/>`));
    }
    assert.match(out, /<parameter name="port"/);
  });
});
