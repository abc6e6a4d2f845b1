import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { hasCode } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { nodeApi } from '../../src/grpc/client.js';
import { FakeNode, mandate } from '../fakes/node.js';
import { serve } from './api-server.js';
import { spawnSync } from 'node:child_process';

const never = new AbortController().signal;

describe('the failover API on a unix socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcm-socket-'));
  after(() => rmSync(folder, { recursive: true }));

  it('is for this user alone, in a folder that it makes', async () => {
    const path = join(folder, 'run', 'pgcm', 'proxy.sock');
    const node = new FakeNode();
    const served = await serve(node, `unix:${path}`);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'run', 'pgcm')).mode & 0o777, 0o755);
    assert.equal(served.log.of(events.serverInsecure).length, 0);
    const api = nodeApi(`unix:${path}`, undefined);
    await api.resume(undefined, 500, mandate, never);
    assert.deepEqual(node.calls, [['resume', undefined, 500, mandate]]);
    api.close();
    await served.stop();
    assert.equal(existsSync(path), false, 'the socket is left');
  });

  it('serves some rpcs only, where the node has only those', async () => {
    const path = join(folder, 'some.sock');
    const node = new FakeNode();
    const served = await serve({ healthCheck: () => node.healthCheck() }, `unix:${path}`);
    const api = nodeApi(`unix:${path}`, undefined);
    assert.equal((await api.healthCheck(2_000, never)).node, 'pg01');
    await assert.rejects(api.inspect(2_000, never), (error) => hasCode(error, 'unsupported'));
    await assert.rejects(api.migrate('pg02', mandate, 2_000, never), (error) =>
      hasCode(error, 'unsupported'),
    );
    api.close();
    await served.stop();
  });

  it('takes over what a dead program left, and nothing that is served or no socket', async () => {
    const stale = join(folder, 'stale.sock');
    spawnSync(process.execPath, [
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    assert.ok(existsSync(stale), 'nothing was left behind');
    await (await serve(new FakeNode(), `unix:${stale}`)).stop();

    const taken = join(folder, 'taken.sock');
    const other = await listening(taken);
    await assert.rejects(serve(new FakeNode(), `unix:${taken}`), (error) => hasCode(error, 'port-in-use'));
    other.close();

    const file = join(folder, 'a-file');
    writeFileSync(file, 'precious');
    await assert.rejects(serve(new FakeNode(), `unix:${file}`), (error) => hasCode(error, 'port-in-use'));
    assert.ok(existsSync(file));
  });
});

async function listening(path: string): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}
