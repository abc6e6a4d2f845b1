import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Readable } from 'node:stream';
import { temporaryFile } from '../support/config.js';
import { eventually } from '../support/eventually.js';

/** The program itself, in a process of its own. */
const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

function start(args: readonly string[], stdout: 'pipe' | number = 'pipe', third?: number): ChildProcess {
  const { PATH } = process.env;
  return spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', stdout, 'pipe', third ?? 'ignore'],
    env: { PATH },
  });
}

async function ended(child: ChildProcess): Promise<Ended> {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, stderr };
}

/**
 * Whether the program has set its signal handlers: the bit of SIGHUP in SigCgt (man proc_pid_status). Node
 * itself catches SIGINT and SIGTERM from the beginning, but not SIGHUP.
 */
function isReady({ pid }: ChildProcess): boolean {
  const status = readFileSync(`/proc/${pid ?? 0}/status`, 'utf8');
  const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return ((caught >> BigInt(constants.signals.SIGHUP - 1)) & 1n) === 1n;
}

/** A pipe whose end for reading can be given to a process; node's own are sockets. */
function openPipe(): { readonly read: number; readonly close: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'pgcm-main-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  // Opened for both at first, as opening one end waits for the other.
  const write = openSync(path, 'r+');
  const read = openSync(path, 'r');
  rmSync(folder, { recursive: true });
  return { read, close: () => closeSync(write) };
}

describe('the program', () => {
  it('is not troubled by a reader that has seen enough', async () => {
    const child = start(['show-config']);
    child.stdout?.destroy();
    assert.deepEqual(await ended(child), { code: 0, signal: null, stderr: '' });
  });

  it('is not troubled when nobody reads its errors', async () => {
    const child = start(['proxy', '--nonsense']);
    child.stderr?.destroy();
    child.stdout?.resume();
    assert.deepEqual(await ended(child), { code: 2, signal: null, stderr: '' });
  });

  it('says that its output is lost, and fails', async () => {
    const result = await ended(start(['show-config'], openSync('/dev/full', 'w')));
    assert.equal(result.code, 1);
    assert.match(result.stderr, /^pgcm: writing to stdout: ENOSPC/);
  });

  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(`ends with status ${status} when ${signal} interrupts it`, async () => {
      // It reads its file from a pipe to which nobody writes, so it is interrupted in the midst of it.
      const pipe = openPipe();
      const child = start(['show-config', '--config-file', '/dev/fd/3'], 'pipe', pipe.read);
      closeSync(pipe.read);
      const result = ended(child);
      let heard = false;
      child.stderr?.on('data', () => (heard = true));
      await eventually(() => isReady(child));
      child.kill(signal);
      await eventually(() => heard);
      pipe.close();
      assert.deepEqual(await result, {
        code: status,
        signal: null,
        stderr: `pgcm: interrupted by ${signal}\n`,
      });
    });
  }

  it('ends a failover with status 143 when SIGTERM interrupts it before the move, and tells so', async () => {
    // Somebody who listens and never answers: the checks are under way until the signal comes.
    const silent = createServer().listen(0, '127.0.0.1');
    const connections: Socket[] = [];
    silent.on('connection', (socket) => connections.push(socket));
    await once(silent, 'listening');
    const at = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    try {
      const child = start([
        ...['failover', '--etcd-endpoints', `http://${at}`, '--failover-api-endpoints', at],
        ...['--health-check-timeout', '30s', '--etcd-timeout', '30s', '--etcd-dial-timeout', '30s'],
      ]);
      const result = ended(child);
      let [told, report] = ['', ''];
      child.stderr?.on('data', (chunk: Buffer) => (told += chunk.toString()));
      child.stdout?.on('data', (chunk: Buffer) => (report += chunk.toString()));
      await eventually(() => /"event":"clients\.health_check"/.test(told));
      child.kill('SIGTERM');
      const { code, signal, stderr } = await result;
      assert.deepEqual([code, signal], [143, null], stderr);
      assert.match(report, /SIGTERM: nothing was touched, nothing was moved/);
    } finally {
      for (const socket of connections) socket.destroy();
      silent.close();
    }
  });

  it('ends with status 0 when a daemon is asked to end', async () => {
    const template = temporaryFile('[databases]\napp = host={{.Host}}\n');
    const child = start([
      'proxy',
      // Nothing listens there; a daemon goes on trying.
      ...['--etcd-endpoints', 'http://127.0.0.1:1', '--etcd-dial-timeout', '100ms'],
      ...['--pgbouncer-config-template-file', template, '--pgbouncer-config-file', `${template}.ini`],
      ...['--pgbouncer-socket-dir', '/nonexistent', '--http-address', 'off'],
    ]);
    const result = ended(child);
    await once(child.stderr as Readable, 'data');
    child.kill('SIGTERM');
    const { code, signal, stderr } = await result;
    assert.deepEqual([code, signal], [0, null], stderr);
    assert.match(stderr, /"event":"shutdown\.start"/);
  });
});
