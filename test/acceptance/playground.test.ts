import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Playground } from '../../playground/client.js';
import { asPostgres, look, missingInCluster } from '../../playground/cluster.js';
import { Command, until } from './playground-command.js';

// The real cluster: what `up` promises, power loss, a cable, and fencing as the condition of a promotion.

const name = 'cluster-test';
const clusterDeadlineMs = 120_000;
let playground: Playground;

before(async () => {
  const command = new Command(['--name', name, 'up', '--nodes', '3', '--apps', '1']);
  assert.equal(await command.status(), 0, command.output);
  assert.match(command.output, /waiting for/);
  playground = Playground.attach(name);
});

after(async () => {
  const command = new Command(['--name', name, 'down']);
  assert.equal(await command.status(), 0, command.output);
});

async function nodes(): Promise<string[]> {
  return (await playground.hosts('postgres')).map((host) => host.name);
}

async function query(node: string, sql: string): Promise<string> {
  const { stdout, stderr, status } = await playground.exec(node, asPostgres('psql', '-XAtc', sql));
  assert.equal(status, 0, `${node}: ${sql}: ${stderr}`);
  return stdout.trim();
}

/** Asked of PostgreSQL itself on every node that is on, not of the cluster manager. */
async function takingWrites(): Promise<string[]> {
  const found = await Promise.all(
    (await playground.hosts('postgres')).map(async (host) => {
      if (host.power !== 'on') return [];
      const argv = asPostgres('psql', '-XAtc', 'select pg_is_in_recovery()');
      const { stdout } = await playground.exec(host.name, argv);
      return stdout.trim() === 'f' ? [host.name] : [];
    }),
  );
  return found.flat();
}

async function reaches(from: string, to: string): Promise<boolean> {
  const { status } = await playground.exec(from, ['ping', '-n', '-c', '1', '-W', '1', to]);
  return status === 0;
}

test('up brought a cluster: one primary, a synchronous standby, both in step', async () => {
  const view = await look(playground, 'pg01');
  assert.equal(view.quorum, true);
  assert.deepEqual([...view.online].sort(), ['pg01', 'pg02', 'pg03']);
  assert.deepEqual(await takingWrites(), [view.primary]);
  const states = await query(
    view.primary ?? '',
    "select string_agg(sync_state, ',' order by sync_state) from pg_stat_replication where state = 'streaming'",
  );
  assert.match(states, /^(async|potential),sync$/);
  const status = new Command(['--name', name, 'status']);
  assert.equal(await status.status(), 0);
  assert.match(status.output, new RegExp(`${view.primary ?? ''} .* primary`));
});

test('fencing is on, and the quorum policy is one that stops', async () => {
  const property = async (key: string): Promise<string> =>
    (
      await playground.exec('pg01', [
        'crm_attribute',
        '--type',
        'crm_config',
        '--name',
        key,
        '--query',
        '--quiet',
      ])
    ).stdout.trim();
  assert.match(await property('stonith-enabled'), /^(true|)$/);
  assert.notEqual(await property('no-quorum-policy'), 'ignore');
});

test('a host with a cut cable is not reached; healed it is', async () => {
  await until('app01 is reached', 20_000, () => reaches('client01', 'app01'));
  await playground.cut('app01');
  assert.equal(await reaches('client01', 'app01'), false);
  await playground.heal('app01');
  await until('app01 is reached again', 20_000, () => reaches('client01', 'app01'));
});

test('a killed standby is off; started again it has its disk and is part of the cluster', async () => {
  const { primary } = await look(playground, 'pg01');
  const standby = (await nodes()).find((node) => node !== primary) ?? '';
  await playground.exec(standby, ['touch', '/root/was-here']);
  await playground.kill(standby);
  assert.equal((await playground.hosts()).find((host) => host.name === standby)?.power, 'off');
  assert.equal(await reaches('client01', standby), false);
  await untilFenced(standby);
  await playground.start(standby);
  assert.equal((await playground.exec(standby, ['test', '-e', '/root/was-here'])).status, 0);
  await untilClusterWorks();
});

test('a node that was cut off is fenced, and stays off until it is started', async () => {
  const { primary } = await look(playground, 'pg01');
  const standby = (await nodes()).findLast((node) => node !== primary) ?? '';
  await playground.cut(standby);
  await untilFenced(standby);
  const host = (await playground.hosts()).find((found) => found.name === standby);
  assert.deepEqual([host?.power, host?.reason], ['off', 'fenced']);
  await playground.heal(standby);
  await playground.start(standby);
  await untilClusterWorks();
});

test('no promotion while the primary that lost its power cannot be fenced; once it can, there is one', async () => {
  const { primary: lost = '' } = await look(playground, 'pg01');
  await playground.fencing('fail');
  await playground.kill(lost);
  // Two attempts refused: the cluster wanted a new primary, had to fence first, and could not.
  await until('fencing was refused twice', clusterDeadlineMs, async () => {
    assert.deepEqual(await takingWrites(), []);
    return (await playground.status()).fencingRefused >= 2;
  });
  assert.deepEqual(await takingWrites(), []);
  await playground.fencing('ok');
  await until('another node takes writes', clusterDeadlineMs, async () => (await takingWrites()).length > 0);
  const taking = await takingWrites();
  assert.equal(taking.length, 1);
  assert.notEqual(taking[0], lost);
});

async function untilClusterWorks(): Promise<void> {
  let missing: string | undefined;
  await until('the cluster works', clusterDeadlineMs, async () => {
    missing = await missingInCluster(playground);
    return missing === undefined;
  }).catch(() => assert.fail(`still waiting for ${missing ?? 'nothing'}`));
}

/** A node that is started earlier would be switched off again. */
async function untilFenced(node: string): Promise<void> {
  await until(`${node} is fenced`, clusterDeadlineMs, async () => {
    return (await playground.hosts()).some((host) => host.name === node && host.fenced);
  });
}
