import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Playground } from '../../playground/client.js';
import { until } from './playground-command.js';

// What a power loss takes away, and what not. No cluster is waited for here.

const folder = mkdtempSync(join(tmpdir(), 'pgcm-playground-test-'));
process.env['PGCM_PLAYGROUND_DIR'] = join(folder, 'state');
let playground: Playground;
let other: Playground | undefined;

before(async () => {
  const form = { name: 'disks', nodes: 1, apps: 0, until: 'hosts' } as const;
  playground = await Playground.up({ ...form, disks: 'losing', fencing: 'none' });
  await untilStarted();
});

after(async () => {
  await playground.down();
  await other?.down();
  rmSync(folder, { recursive: true, force: true });
});

async function sh(script: string): Promise<string> {
  const { status, stdout, stderr } = await playground.exec('pg01', ['sh', '-euc', script]);
  assert.equal(status, 0, `${script}: ${stderr}`);
  return stdout.trim();
}

async function powerLoss(): Promise<void> {
  await playground.kill('pg01');
  await playground.start('pg01');
  await untilStarted();
}

/** Its start script makes the data directory at the first boot. */
async function untilStarted(): Promise<void> {
  await until('its services are started', 30_000, async () =>
    (await playground.hosts('postgres')).every(({ started }) => started),
  );
}

for (const place of ['/var/lib/postgresql', '/var/lib/etcd', '/var/lib/pgcm', '/var/lib/pacemaker']) {
  test(`in ${place} what was synced outlives a power loss, and the rest does not`, async () => {
    await sh(`cd ${place}; echo lost >unsynced;
              echo kept >synced; sync synced; echo lost >>synced`);
    assert.equal(await sh(`cat ${place}/unsynced`), 'lost');
    await powerLoss();
    // An append within a block may have made its way into the file's size, never into its content.
    assert.equal(await sh(`tr -d '\\0' <${place}/synced`), 'kept');
    assert.equal(await sh(`grep -s lost ${place}/unsynced || true`), '');
  });
}

test('a node that has just started has its data directory after a power loss', async () => {
  const version = await sh('cat /var/lib/postgresql/15/main/PG_VERSION');
  await powerLoss();
  assert.equal(await sh('cat /var/lib/postgresql/15/main/PG_VERSION'), version);
});

test('the disk of the data directory can be full without the other one', async () => {
  await sh('fallocate -l 8G /var/lib/postgresql/filler 2>/dev/null || true');
  assert.match(await sh('cat /etc/services 2>&1 >/var/lib/postgresql/more || true'), /No space left/);
  await sh(
    'echo room >/var/lib/etcd/room; rm /var/lib/postgresql/filler; echo room >/var/lib/postgresql/more',
  );
});

test('two playgrounds have disks of their own, and no loop device outlives them', async () => {
  const before = loopDevices();
  other = await Playground.up({
    ...({ name: 'disks2', nodes: 1, apps: 0, until: 'hosts' } as const),
    ...({ disks: 'losing', fencing: 'none' } as const),
  });
  await sh('touch /var/lib/postgresql/mine; sync -f /var/lib/postgresql');
  assert.equal((await other.exec('pg01', ['test', '-e', '/var/lib/postgresql/mine'])).status, 1);
  assert.equal(loopDevices(), before + 2);
  await Promise.all([powerLoss(), other.kill('pg01')]);
  await until('those of the one that is off are free', 10_000, () => loopDevices() === before);
  await other.start('pg01');
  assert.equal(loopDevices(), before + 2);
  await other.down();
  await until('its loop devices are gone', 10_000, () => loopDevices() === before);
});

function loopDevices(): number {
  const list = execFileSync('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'], {
    encoding: 'utf8',
  });
  return list.split('\n').filter((line) => /\/hosts\/pg01\/disks\//.test(line)).length;
}
