import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCommandLine } from '../../src/cli/parse.js';

function parsed(line: string): { topic: string | undefined; flags: Record<string, readonly string[]> } {
  const invocation = parseCommandLine(line.split(' '));
  assert.ok(invocation.kind === 'command', `${line}: ${invocation.kind}`);
  assert.deepEqual(invocation.problems, []);
  return { topic: invocation.topic, flags: Object.fromEntries(invocation.flags) };
}

function problems(...args: readonly string[]): readonly string[] {
  const invocation = parseCommandLine(args);
  assert.ok(invocation.kind === 'command', `${args.join(' ')}: ${invocation.kind}`);
  return invocation.problems;
}

describe('the command line', () => {
  it('takes options before and after the command', () => {
    const expected = { topic: 'failover', flags: { 'config-file': ['X'], 'etcd-timeout': ['5s'] } };
    assert.deepEqual(parsed('--config-file X failover --etcd-timeout 5s'), expected);
    assert.deepEqual(parsed('failover --config-file=X --etcd-timeout=5s'), expected);
    assert.deepEqual(parsed('--config-file X --etcd-timeout 5s failover'), expected);
  });

  it('keeps every value of an option that is given several times', () => {
    assert.deepEqual(parsed('proxy --pgbouncer-port 1 --pgbouncer-port=2').flags, {
      'pgbouncer-port': ['1', '2'],
    });
  });

  it('knows switches, with and without a value', () => {
    const endless = (line: string): unknown => parsed(line).flags['allow-endless-pause'];
    assert.deepEqual(endless('--allow-endless-pause failover'), ['true']);
    assert.deepEqual(endless('failover --allow-endless-pause=false'), ['false']);
  });

  it('takes values that look odd', () => {
    assert.deepEqual(parsed('proxy --etcd-namespace=').flags, { 'etcd-namespace': [''] });
    assert.deepEqual(parsed('proxy --etcd-namespace=--x=y').flags, { 'etcd-namespace': ['--x=y'] });
    assert.deepEqual(parsed('proxy --pgbouncer-port -1').flags, { 'pgbouncer-port': ['-1'] });
    assert.deepEqual(parsed('proxy --etcd-user failover').topic, 'proxy');
  });

  it('has two names for show-config', () => {
    assert.equal(parsed('config show').topic, 'show-config');
    assert.equal(parsed('--etcd-timeout 1s config --lock-timeout 1s show').topic, 'show-config');
    assert.deepEqual(problems('config'), ['config: the command is `pgcm config show`']);
    assert.deepEqual(problems('config', 'show', 'x'), ['"x": an argument too many']);
  });

  it('asks for help and the version in every usual way', () => {
    for (const line of ['--help', '-h', 'help', 'help --etcd-timeout 1s']) {
      assert.deepEqual(parseCommandLine(line.split(' ')), { kind: 'help', topic: undefined }, line);
    }
    for (const line of [
      'proxy --help',
      '--help proxy',
      'help proxy',
      'proxy -h',
      '--nonsense proxy --help',
    ]) {
      assert.deepEqual(parseCommandLine(line.split(' ')), { kind: 'help', topic: 'proxy' }, line);
    }
    assert.deepEqual(parseCommandLine(['help', 'config', 'show']), { kind: 'help', topic: 'show-config' });
    for (const line of ['--version', 'version', 'version --etcd-timeout 1s']) {
      assert.deepEqual(parseCommandLine(line.split(' ')), { kind: 'version' }, line);
    }
    assert.deepEqual(problems('help', 'prxy'), ['"prxy": no such command, did you mean proxy?']);
  });

  it('names everything that is wrong', () => {
    assert.deepEqual(
      problems(
        'failver',
        '--lock-timout',
        '5s',
        '--nonsense=1',
        '--pause-timeout',
        '--etcd-timeout',
        '5s',
        '--',
      ),
      [
        '"failver": no such command, did you mean failover?',
        '--lock-timout: no such option, did you mean --lock-timeout?',
        '--nonsense: no such option',
        '--pause-timeout: its value is missing',
      ],
    );
    assert.deepEqual(problems('proxy', '--etcd-timeout'), ['--etcd-timeout: its value is missing']);
    assert.deepEqual(problems('proxy', 'x', '--', '--y'), [
      '"x": an argument too many',
      '"--y": an argument too many',
    ]);
    assert.match(
      problems('frobnicate')[0] ?? '',
      /^"frobnicate": no such command; there are supervise, proxy, /,
    );
    assert.match(problems('--etcd-timeout', '5s')[0] ?? '', /^a command is missing; there are /);
    assert.deepEqual(problems(), []);
  });

  it('says once what is wrong with a cluster of letters, and does not take it for -h', () => {
    assert.deepEqual(problems('proxy', '-lock-timeout', '5s'), [
      '-lock-timeout: no such option, did you mean --lock-timeout?',
    ]);
    assert.deepEqual(problems('proxy', '-hx'), ['-h: no such option']);
  });

  it('does not take the value of an unknown option for the command', () => {
    assert.deepEqual(problems('--nonsense', '5s', 'proxy'), ['--nonsense: no such option']);
    assert.deepEqual(problems('--nonsense', 'proxy'), ['--nonsense: no such option']);
  });

  it('never shows what may be a password', () => {
    const all = [
      ...problems('proxy', '--pgbouncer-pasword=hunter2'),
      ...problems('proxy', '--pgbouncer-pasword', 'hunter2'),
      ...problems('proxy', '-phunter2'),
      ...problems('proxy', '--pgbouncer-password', 'forgotten', 'hunter2'),
    ];
    assert.equal(all.length, 4);
    assert.doesNotMatch(all.join('\n'), /hunter/);
  });
});

describe('the word after a command that takes one', () => {
  it('is the value of its option; a second word is one too many', () => {
    const parsed = parseCommandLine(['adopt', 'pg02', '--dry-run']);
    assert.ok(parsed.kind === 'command');
    assert.deepEqual([parsed.topic, parsed.problems], ['adopt', []]);
    assert.deepEqual(parsed.flags.get('node'), ['pg02']);
    const twice = parseCommandLine(['adopt', 'pg02', 'pg03']);
    assert.ok(twice.kind === 'command');
    assert.match(twice.problems.join(), /"pg03": an argument too many/);
  });
});
