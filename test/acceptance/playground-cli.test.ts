import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseArguments } from '../../playground/cli/args.js';
import { parseCrmMon } from '../../playground/cluster.js';
import { PlaygroundError } from '../../playground/errors.js';
import { playgroundPaths } from '../../playground/paths.js';
import { planHosts } from '../../playground/plan.js';

const main = fileURLToPath(new URL('../../playground/main.js', import.meta.url));

test('wrong usage is one line on stderr and exit status 2', () => {
  const wrong: [string[], RegExp][] = [
    [['up', '--frobnicate'], /--frobnicate/],
    [['frobnicate'], /unknown command 'frobnicate'/],
    [[], /no command/],
    [['up', '--nodes', 'many'], /--nodes: 'many' is not a whole number/],
    [['up', '--nodes', '10'], /nodes: 10 is not a whole number from 1 to 9/],
    [['down', '--json'], /down has no option --json/],
    [['kill'], /usage: kill NODE/],
    [['kill', 'pg01', 'pg02'], /usage: kill NODE/],
    [['status', '--name', '../etc'], /'..\/etc' is no playground name/],
    [['status', '--name', ''], /'' is no playground name/],
  ];
  for (const [args, message] of wrong) {
    const result = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 60_000 });
    assert.match(result.stderr, message, args.join(' '));
    assert.equal(result.stderr.trim().split('\n').length, 1, result.stderr);
    assert.equal(result.stdout, '');
    assert.equal(result.status, 2, args.join(' '));
  }
});

test('--help names every command and ends with 0', () => {
  const result = spawnSync(process.execPath, [main, '--help'], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(result.status, 0);
  for (const word of [
    'up',
    'down',
    'status',
    'exec',
    'psql',
    'kill',
    'start',
    'cut',
    'heal',
    'fencing',
    'purge',
  ]) {
    assert.match(result.stdout, new RegExp(`^  ${word} `, 'm'));
  }
});

test('a command for a playground that is not up says so and ends with 1', () => {
  for (const args of [['status'], ['exec', 'pg01', 'true'], ['psql', 'pg01'], ['kill', 'pg01']]) {
    const result = spawnSync(process.execPath, [main, '--name', 'never-made', ...args], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.match(result.stderr, /no playground 'never-made' is up/);
    assert.equal(result.status, 1);
  }
  const down = spawnSync(process.execPath, [main, '--name', 'never-made', 'down'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.match(down.stdout, /there was no playground 'never-made'/);
  assert.equal(down.status, 0);
});

test('options after the node of exec and psql belong to the command inside', () => {
  const parsed = parseArguments([
    '--name',
    'two',
    'exec',
    'pg01',
    'pgcm',
    'failover',
    '--name',
    'x',
    '--help',
  ]);
  assert.ok(parsed !== 'help');
  assert.equal(parsed.name, 'two');
  assert.deepEqual(parsed.positionals, ['pg01', 'pgcm', 'failover', '--name', 'x', '--help']);
  const dashes = parseArguments(['psql', '--name=two', 'pg01', '--', '-c', 'select 1']);
  assert.ok(dashes !== 'help');
  assert.equal(dashes.name, 'two');
  assert.deepEqual(dashes.positionals, ['pg01', '-c', 'select 1']);
  assert.equal(parseArguments(['exec', '--help']), 'help');
});

test('hosts have the names and addresses that the nodes count on', () => {
  assert.deepEqual(
    planHosts(2, 1).map(({ name, kind, address }) => `${name} ${kind} ${address}`),
    [
      'pg01 postgres 10.77.0.11',
      'pg02 postgres 10.77.0.12',
      'app01 app 10.77.0.101',
      'client01 client 10.77.0.201',
    ],
  );
});

test('a folder that would change the meaning of mount options is refused', () => {
  assert.throws(
    () => playgroundPaths('main', { PGCM_PLAYGROUND_DIR: '/run/a,upperdir=/etc' }),
    (error) => error instanceof PlaygroundError && error.exitStatus === 2,
  );
  assert.throws(
    () => playgroundPaths('main', { PGCM_PLAYGROUND_DIR: `/run/${'a'.repeat(100)}` }),
    /too long for a socket/,
  );
});

test('crm_mon is read: controller, quorum, who is online, who is promoted', () => {
  const xml = `<?xml version="1.0"?><pacemaker-result><summary>
    <current_dc present="true" version="2.1.5" name="pg02" id="2" with_quorum="true"/></summary>
    <nodes><node name="pg01" id="1" online="true"/><node name="pg02" id="2" online="false"/></nodes>
    <resources><clone id="msPostgresql" multi_state="true">
    <resource id="p" role="Slave" active="true"><node name="pg02" id="2" cached="true"/></resource>
    <resource id="p" role="Master" active="true"><node name="pg01" id="1" cached="true"/></resource>
    </clone></resources><node_attributes>
    <node name="pg01"><attribute name="master-p" value="1000"/></node>
    <node name="pg02"><attribute name="master-p" value="-INFINITY"/></node>
    <node name="pg03"><attribute name="p-status" value="HS:alone"/><attribute name="master-p" value="100"/></node>
    </node_attributes></pacemaker-result>`;
  assert.deepEqual(parseCrmMon(xml), {
    quorum: true,
    controller: 'pg02',
    online: ['pg01'],
    primary: 'pg01',
    promotable: ['pg01', 'pg03'],
    standbys: ['pg02'],
  });
  assert.deepEqual(parseCrmMon('Connection refused'), {
    quorum: false,
    controller: undefined,
    online: [],
    primary: undefined,
    promotable: [],
    standbys: [],
  });
});
