import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SimulatedBouncer } from '../../bench/inside/simulated-bouncer.js';

describe('the simulated PgBouncer of the benchmark', () => {
  let folder: string;
  let bouncer: SimulatedBouncer;
  const leadsTo = async (): Promise<(string | undefined)[]> =>
    (await bouncer.databases()).map(({ host }) => host);
  const write = (host: string): Promise<void> =>
    writeFile(join(folder, 'ini'), `[databases]\napp = host=${host} port=5432 dbname=app\n\n[pgbouncer]\n`);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pgcm-simulated-'));
    bouncer = new SimulatedBouncer('sim', { config: join(folder, 'ini'), pause: join(folder, 'pause') });
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('leads where its file says, once it was told to read it', async () => {
    await write('10.0.0.1');
    assert.deepEqual(await leadsTo(), []);
    await bouncer.reload();
    assert.deepEqual(await leadsTo(), ['10.0.0.1']);
    await write('10.0.0.2');
    assert.deepEqual(await leadsTo(), ['10.0.0.1']);
    await bouncer.reload();
    assert.deepEqual(await leadsTo(), ['10.0.0.2']);
  });

  it('has written down that it is paused when PAUSE is answered', async () => {
    const kept = (): Promise<string> => readFile(join(folder, 'pause'), 'utf8');
    assert.equal(await bouncer.resume(), 'was-not-paused');
    await bouncer.pause();
    assert.equal(await kept(), 'paused');
    assert.equal(await bouncer.resume(), 'resumed');
    assert.equal(await kept(), 'running');
  });

  it('forgets at RELOAD what SET has set, as the real one does', async () => {
    await write('10.0.0.1');
    await bouncer.set('server_login_retry', '0.1');
    assert.equal(await bouncer.setting('server_login_retry'), '0.1');
    await bouncer.reload();
    assert.equal(await bouncer.setting('server_login_retry'), '15');
  });
});
