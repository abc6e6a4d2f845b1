import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { events } from '../../src/domain/events.js';
import { SocketCutter } from '../../src/runtime/socket-cutter.js';
import { FakeLog } from '../fakes/log.js';

const address = parseAddress('10.77.0.11');
const never = new AbortController().signal;

describe('the socket cutter', () => {
  let dir: string;
  let path: string | undefined;
  let log: FakeLog;
  let cutter: SocketCutter;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pgcm-ss-'));
    path = env['PATH'];
    env['PATH'] = `${dir}:${path ?? ''}`;
    log = new FakeLog();
    cutter = new SocketCutter(5432, log);
  });
  afterEach(async () => {
    env['PATH'] = path;
    await rm(dir, { recursive: true });
  });

  /** What is found as `ss`; it notes its arguments, one a line. */
  const install = (script: string): Promise<void> =>
    writeFile(join(dir, 'ss'), `#!/bin/sh\nprintf '%s\\n' "$@" > ${dir}/argv\n${script}\n`, { mode: 0o755 });
  const argv = async (): Promise<string> =>
    (await readFile(join(dir, 'argv'), 'utf8')).trim().split('\n').join(' ');
  const told = (): readonly unknown[] =>
    log.of(events.socketsDestroyed).map(({ connections, error }) => connections ?? error);

  it('destroys the TCP connections to that address and port alone, and says how many', async () => {
    await install("printf 'ESTAB 0 0 a b\\nSYN-SENT 0 1 c d\\n'");
    await cutter.cut(address, never);
    assert.equal(await argv(), '--no-header --tcp --numeric --kill dst 10.77.0.11:5432');
    assert.deepEqual(told(), [2]);
  });

  it('writes an IPv6 address as ss reads it', async () => {
    await install(':');
    await cutter.cut(parseAddress('2001:db8::1'), never);
    assert.match(await argv(), / dst \[2001:db8::1\]:5432$/);
  });

  it('says nothing when there was none, or when it has no right to: ss does not tell which', async () => {
    await install(':');
    await cutter.cut(address, never);
    assert.deepEqual(told(), []);
  });

  it('tells a failure once, with what becomes of the statements, and never throws', async () => {
    await install("echo 'RTNETLINK answers: Operation not permitted' >&2; exit 255");
    await cutter.cut(address, never);
    await cutter.cut(address, never);
    assert.deepEqual(told(), ['RTNETLINK answers: Operation not permitted']);
    assert.match(log.of(events.socketsDestroyed)[0]?.msg ?? '', /end when TCP gives up; see destroy-sockets/);
  });

  it('tells the status when ss says nothing of why', async () => {
    await install('exit 3');
    await cutter.cut(address, never);
    assert.deepEqual(told(), ['ss ended with status 3']);
  });

  it('tells that there is no ss, and never throws', async () => {
    env['PATH'] = dir;
    await cutter.cut(address, never);
    assert.match(String(told()[0]), /^ss .*: cannot be started/);
  });

  it('complains of nothing at the end of the daemon', async () => {
    await install('sleep 10');
    await cutter.cut(address, AbortSignal.timeout(50));
    await cutter.cut(address, AbortSignal.abort());
    assert.deepEqual(told(), []);
  });
});
