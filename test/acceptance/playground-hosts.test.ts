import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Playground } from '../../playground/client.js';
import { Command, reach, until } from './playground-command.js';
import { differences, lookAtMachine, type Machine } from './playground-machine.js';

// Hosts, their network and their power, and that nothing of it stays: no cluster is waited for here.

const folder = mkdtempSync(join(tmpdir(), 'pgcm-playground-test-'));
const environment = { PGCM_PLAYGROUND_DIR: join(folder, 'state') };
process.env['PGCM_PLAYGROUND_DIR'] = environment.PGCM_PLAYGROUND_DIR;
const ours = [folder];

after(async () => {
  for (const name of ['one', 'two', 'killed'])
    await new Command(['--name', name, 'down'], environment).status();
  rmSync(folder, { recursive: true, force: true });
});

/** The machine's PID 1 reaps what lost its parent in its own time, and the kernel unmounts in its own. */
async function assertUnchanged(before: Machine, when: string): Promise<void> {
  let left: string[] = [];
  await until(`the machine is as it was ${when}`, 10_000, () => {
    left = differences(before, lookAtMachine(ours));
    return left.length === 0;
  }).catch(() => assert.fail(`left ${when}:\n${left.join('\n')}`));
}

async function down(name: string): Promise<void> {
  const command = new Command(['--name', name, 'down'], environment);
  assert.equal(await command.status(), 0, command.output);
}

test('the check of the machine sees a process in a namespace', async () => {
  const before = lookAtMachine(ours);
  const one = await Playground.up({ name: 'one', nodes: 1, apps: 0, until: 'hosts' });
  const found = differences(before, lookAtMachine(ours));
  await one.down();
  assert.ok(found.some((line) => line.startsWith('processes: new:')));
  assert.ok(found.some((line) => line.startsWith('namespaces: new: net:')));
  await assertUnchanged(before, 'after up and down');
});

test('SIGKILL at any point of up, then down: nothing is left', async (t) => {
  const state = join(environment.PGCM_PLAYGROUND_DIR, 'killed');
  const freshCache = { ...environment, PGCM_PLAYGROUND_CACHE: join(folder, 'cache') };
  const points: [string, NodeJS.ProcessEnv][] = [
    [join(state, 'lock'), environment],
    ['apt-get update', freshCache],
    ['apt-get install', freshCache],
    ['starting pg01', environment],
    [join(state, 'world.json'), environment],
    [join(state, 'control.sock'), environment],
    [join(state, 'log', 'pg01.log'), environment],
    ['waiting for', environment],
  ];
  for (const [point, variables] of points) {
    await t.test(`at '${point.replace(state, 'STATE')}'`, async () => {
      const before = lookAtMachine(ours);
      const up = new Command(['--name', 'killed', 'up', '--nodes', '1', '--apps', '0'], variables);
      await reach(up, point, 300_000);
      assert.equal(await up.signal('SIGKILL'), null);
      await down('killed');
      await assertUnchanged(before, `after SIGKILL at '${point}' and down`);
    });
  }
});

test('up that is interrupted takes down what it made', async () => {
  const before = lookAtMachine(ours);
  const up = new Command(['--name', 'killed', 'up', '--nodes', '1', '--apps', '0'], environment);
  await reach(up, 'waiting for', 300_000);
  assert.equal(await up.signal('SIGINT'), 1);
  assert.match(up.output, /ended by SIGINT/);
  await assertUnchanged(before, 'after Ctrl-C');
});

test('down ends an up that is still at work', async () => {
  const before = lookAtMachine(ours);
  const up = new Command(['--name', 'killed', 'up', '--nodes', '1', '--apps', '0'], environment);
  await reach(up, 'waiting for', 300_000);
  await down('killed');
  assert.equal(await up.status(), 1);
  await assertUnchanged(before, 'after down');
});

test('two playgrounds side by side', async (t) => {
  const before = lookAtMachine(ours);
  // Pacemaker, if it is there so soon, shall not switch off what is killed or cut here.
  const form = { nodes: 2, apps: 0, until: 'hosts', fencing: 'none' } as const;
  const one = await Playground.up({ name: 'one', ...form });
  const two = await Playground.up({ name: 'two', ...form });

  await t.test('a name is given once', async () => {
    const again = new Command(['--name', 'one', 'up'], environment);
    assert.equal(await again.status(), 1);
    assert.match(again.output, /'one' is up already/);
  });

  await t.test('disks and networks are apart', async () => {
    await one.exec('pg01', ['touch', '/root/mark-of-one']);
    assert.equal((await one.exec('pg01', ['test', '-e', '/root/mark-of-one'])).status, 0);
    assert.equal((await two.exec('pg01', ['test', '-e', '/root/mark-of-one'])).status, 1);
    assert.equal((await one.exec('pg02', ['test', '-e', '/root/mark-of-one'])).status, 1);
    await one.cut('client01');
    assert.equal(await reaches(one, 'client01'), false);
    await until('the same host of the other playground is reached', 60_000, () => reaches(two, 'client01'));
    await one.heal('client01');
    await until('the healed host is reached', 60_000, () => reaches(one, 'client01'));
  });

  await t.test('a killed host is off, and has its disk when it is started again', async () => {
    await one.kill('pg01');
    const pg01 = (await one.hosts()).find(({ name }) => name === 'pg01');
    assert.equal(pg01?.power, 'off');
    assert.equal(pg01.reason, 'killed');
    await assert.rejects(one.exec('pg01', ['true']), /pg01 is off \(killed\)/);
    assert.equal((await two.exec('pg01', ['true'])).status, 0);
    await one.start('pg01');
    assert.equal((await one.exec('pg01', ['test', '-e', '/root/mark-of-one'])).status, 0);
    await until('the started host is reached', 60_000, () => reaches(one, 'pg01'));
  });

  await t.test('a killed host falls silent: it ends none of its connections', async () => {
    const { end } = await connectionTo(one, 'pg01');
    await one.kill('pg01');
    assert.equal(await end, 'silent');
    await one.start('pg01');
  });

  await t.test('a cable that was cut stays so over kill and start', async () => {
    const cable = async (): Promise<string | undefined> =>
      (await one.hosts()).find(({ name }) => name === 'pg01')?.cable;
    await one.kill('pg01');
    assert.equal(await cable(), 'plugged');
    await one.cut('pg01');
    await one.start('pg01');
    assert.deepEqual([await cable(), await reaches(one, 'pg01')], ['cut', false]);
    await one.heal('pg01');
    await until('the healed host is reached', 60_000, () => reaches(one, 'pg01'));
  });

  await t.test('exec: status, input, environment, signal, deadline', async () => {
    assert.equal((await one.exec('client01', ['sh', '-c', 'exit 42'])).status, 42);
    assert.equal((await one.exec('client01', ['cat'], { input: 'zebra' })).stdout, 'zebra');
    const { stdout } = await one.exec('client01', ['env']);
    assert.deepEqual(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=')[0])
        .filter((name) => !['PWD', 'SHLVL', '_'].includes(name ?? ''))
        .sort(),
      ['HOME', 'LANG', 'PATH', 'TERM'],
    );
    await assert.rejects(one.exec('client01', ['sleep', '987'], { timeoutMs: 300 }), /not done after 300 ms/);
    const child = await one.spawn('client01', [
      'sh',
      '-c',
      'trap "echo caught; exit 7" TERM; echo set; while :; do sleep 0.1; done',
    ]);
    child.stdout?.once('data', () => child.kill('SIGTERM'));
    assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 7);
    await until('the killed commands are gone', 10_000, async () => {
      const { stdout: list } = await one.exec('client01', [
        'sh',
        '-c',
        'cat /proc/[0-9]*/cmdline | tr "\\0" " "',
      ]);
      return !list.includes('sleep 987') && !list.includes('echo caught');
    });
    const command = new Command(
      ['--name', 'one', 'exec', 'client01', 'sh', '-c', 'echo --name; exit 9'],
      environment,
    );
    assert.equal(await command.status(), 9);
    assert.equal(command.output, '--name\n');
  });

  await t.test('nothing in a host reaches the machine', async () => {
    const { stdout } = await one.exec('pg01', ['cat', '/proc/mounts']);
    assert.doesNotMatch(stdout, /old-root/);
    assert.notEqual((await one.exec('pg01', ['sh', '-c', 'echo 1 >/proc/sys/kernel/sysrq'])).status, 0);
    assert.notEqual((await one.exec('pg01', ['touch', '/opt/pgcm/x'])).status, 0);
  });

  await t.test('down takes one away and leaves the other', async () => {
    await two.down();
    assert.equal((await one.exec('pg02', ['true'])).status, 0);
    await one.down();
    assert.deepEqual(
      readdirSync(folder).filter((entry) => entry === 'state'),
      [],
    );
  });
  await assertUnchanged(before, 'after two playgrounds');
});

/** Whether a port of the host is reached over its cable: a refusal is an answer too. */
async function reaches(playground: Playground, host: string): Promise<boolean> {
  const target = (await playground.hosts()).find(({ name }) => name === host)?.address ?? '';
  const probe = `exec 3<>/dev/tcp/${target}/9`;
  const { stderr } = await playground.exec('pg02', ['timeout', '5', 'bash', '-c', probe]);
  return stderr.includes('Connection refused');
}

/** Opens a connection from pg02 to a host. @returns how it ends, within 3 s */
async function connectionTo(
  playground: Playground,
  host: string,
): Promise<{ readonly end: Promise<'silent' | 'ended'> }> {
  const target = (await playground.hosts()).find(({ name }) => name === host)?.address ?? '';
  const serve = "require('node:net').createServer((socket) => socket.write('hello\\n')).listen(5000)";
  await playground.spawn(host, [process.execPath, '-e', serve], { stdio: 'ignore' });
  const connect = `until exec 3<>/dev/tcp/${target}/5000; do sleep 0.1; done; read -r -u 3 hello; echo "$hello"`;
  const child = await playground.spawn(
    'pg02',
    ['timeout', '30', 'bash', '-c', `${connect}; timeout 3 cat <&3; exit $?`],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const closed = once(child, 'exit');
  await once(child.stdout ?? assert.fail('no output'), 'data');
  // 124 is the status of timeout.
  return { end: closed.then(([status]) => (status === 124 ? 'silent' : 'ended')) };
}
