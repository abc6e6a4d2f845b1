import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { pgbouncerSockets } from '../../src/config/sockets.js';
import { Interrupted } from '../../src/runtime/interrupt.js';
import { load, problemsOf, temporaryFile } from '../support/config.js';

const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
const KEY = '-----BEGIN EC PRIVATE KEY-----\nx\n-----END EC PRIVATE KEY-----\n';

describe('precedence', () => {
  it('is flag, environment, file, default', async () => {
    const toml = 'etcd-timeout = "1s"\nlock-timeout = "1s"\npause-timeout = "1s"';
    const env = { PGCM_LOCK_TIMEOUT: '2s', PGCM_PAUSE_TIMEOUT: '2s' };
    const { config, origins } = await load({ toml, env, flags: { 'pause-timeout': '3s' } });
    assert.deepEqual(
      [
        config['health-check-timeout'],
        config['etcd-timeout'],
        config['lock-timeout'],
        config['pause-timeout'],
      ],
      [2_000, 1_000, 2_000, 3_000],
    );
    assert.deepEqual(
      (['health-check-timeout', 'etcd-timeout', 'lock-timeout', 'pause-timeout'] as const).map((name) =>
        origins.get(name),
      ),
      [undefined, 'file', 'environment', 'flag'],
    );
  });

  it('lets the flag name the file, and otherwise the environment', async () => {
    const one = temporaryFile('etcd-timeout = "1s"');
    const two = temporaryFile('etcd-timeout = "2s"');
    const env = { PGCM_CONFIG_FILE: one };
    assert.equal((await load({ env })).config['etcd-timeout'], 1_000);
    const { config, file } = await load({ env, flags: { 'config-file': two } });
    assert.equal(config['etcd-timeout'], 2_000);
    assert.equal(file?.path, two);
  });

  it('takes the last of several flags, and all of a list', async () => {
    const { config } = await load({
      flags: { 'etcd-timeout': ['1s', '2s'], 'failover-api-endpoints': ['a:1', 'b:2,c:3'] },
    });
    assert.equal(config['etcd-timeout'], 2_000);
    assert.deepEqual(config['failover-api-endpoints'], ['a:1', 'b:2', 'c:3']);
  });

  it('takes an empty variable for one that is not there', async () => {
    const { config } = await load({ env: { PGCM_ETCD_TIMEOUT: '', PGCM_PGBOUNCER_USER: '' } });
    assert.deepEqual([config['etcd-timeout'], config['pgbouncer-user']], [3_000, 'pgbouncer']);
  });

  it('lets promote-timeout follow pause-expiry', async () => {
    const promote = async (flags: Record<string, string>): Promise<number> =>
      (await load({ flags })).config['promote-timeout'];
    assert.equal(await promote({}), 25_000);
    assert.equal(await promote({ 'pause-expiry': '40s' }), 40_000);
    assert.equal(await promote({ 'pause-expiry': '40s', 'promote-timeout': '7s' }), 7_000);
    assert.equal(await promote({ 'pause-expiry': '0', 'allow-endless-pause': 'true' }), 25_000);
  });
});

describe('bad input', () => {
  it('is named all at once, each with where it stands', async () => {
    const problems = await problemsOf({
      command: 'proxy',
      problems: ['--etcd-tiemout: no such option'],
      flags: { 'etcd-timeout': '5', 'lock-timeout': '1s' },
      env: { PGCM_PGBOUNCER_TIMEOUT: 'x', PGCM_PAUSE_EXPIREY: '1s' },
      toml: '# c\n\netcd-get-timeout = 7\n"etcd-namspace" = "x"\npgbouncer-port = [1, 99999]\n[etcd]\ntimeout = "1s"\n',
    });
    assert.deepEqual(problems, [
      '--etcd-tiemout: no such option',
      '--lock-timeout: proxy does not use it (failover and cleanup would)',
      'PGCM_PAUSE_EXPIREY: no option has this variable, did you mean PGCM_PAUSE_EXPIRY?',
      'FILE:4: etcd-namspace: no such option, did you mean etcd-namespace?',
      'FILE:6: etcd: no such option (keys are not nested: etcd-namespace = ...)',
      'FILE:3: etcd-get-timeout: 7 has no unit: write "7s"?',
      'FILE:5: pgbouncer-port: 99999 is not between 1 and 65535',
      'PGCM_PGBOUNCER_TIMEOUT: "x" is not a duration: write 500ms, 3s or 1m30s',
      '--etcd-timeout: "5" is not a duration: its unit is missing: 5s?',
    ]);
  });

  it('is named also where a stronger source would hide it', async () => {
    const problems = await problemsOf({ toml: 'etcd-timeout = "x"', flags: { 'etcd-timeout': '1s' } });
    assert.equal(problems.length, 1);
  });

  it('in a file that cannot be read or is malformed says where', async () => {
    const at = async (path: string): Promise<readonly string[]> =>
      await problemsOf({ flags: { 'config-file': path, 'etcd-timeout': '5' } });
    const other = '--etcd-timeout: "5" is not a duration: its unit is missing: 5s?';
    assert.deepEqual(await at('/nonexistent/pgcm.toml'), [
      'config-file /nonexistent/pgcm.toml: cannot be read: no such file or directory',
      other,
    ]);
    assert.deepEqual(await at('/etc'), ['config-file /etc: cannot be read: it is a folder', other]);
    assert.deepEqual(await at('/dev/zero'), [
      'config-file /dev/zero: cannot be read: it is not a regular file',
      other,
    ]);
    assert.deepEqual(await at(temporaryFile(Uint8Array.of(0x61, 0xff))), [
      'config-file FILE: is not UTF-8 text',
      other,
    ]);
    assert.match(
      (await at(temporaryFile('a = 1\n  b = [1,,]\n')))[0] ?? '',
      /^config-file FILE:2:\d+: not valid TOML: /,
    );
    assert.match(
      (await at(temporaryFile('a = 1\na = 2\n')))[0] ?? '',
      /^config-file FILE:2:1: not valid TOML: .*redefine/,
    );
    assert.deepEqual(await problemsOf({ flags: { 'config-file': '/dev/null' } }), []);
  });

  it('does not wait for the writer of a named pipe', async () => {
    const pipe = join(tmpdir(), `pgcm-pipe-${process.pid}`);
    execFileSync('mkfifo', [pipe]);
    try {
      const problems = await problemsOf({ flags: { 'config-file': pipe } });
      assert.deepEqual(problems, [`config-file ${pipe}: cannot be read: it is not a regular file`]);
    } finally {
      rmSync(pipe);
    }
  });

  it('never shows a password', async () => {
    const problems = [
      ...(await problemsOf({ toml: 'pgbouncer-pasword = "hunter2"' })),
      ...(await problemsOf({ toml: 'pgbouncer-password = "hunter2\n' })),
      ...(await problemsOf({ toml: 'pgbouncer-password = ["hunter2"]' })),
      ...(await problemsOf({ toml: 'pgbouncer-password = { a = "hunter2" }' })),
      ...(await problemsOf({ env: { PGCM_PGBOUNCER_PASSWRD: 'hunter2' } })),
      ...(await problemsOf({ flags: { 'pgbouncer-password': 'hunter2\n' } })),
      ...(await problemsOf({ flags: { 'etcd-endpoints': 'http://root:hunter2@etcd:2379' } })),
    ];
    assert.equal(problems.length, 7);
    assert.doesNotMatch(problems.join('\n'), /hunter/);
  });

  it('from the environment is refused when it is nearly an option, and else only reported', async () => {
    const { warnings } = await load({ env: { PGCM_PLAYGROUND_DIR: '/x', OTHER: 'x' } });
    assert.deepEqual(warnings, ['PGCM_PLAYGROUND_DIR: no option has this variable; it has no effect']);
    assert.equal((await problemsOf({ env: { PGCM_ETCD_ENDPOINT: 'x' } })).length, 1);
  });

  it('is not the option of another command, in a file or the environment', async () => {
    const given = { toml: 'bind-address = ":1"\nlock-timeout = "1s"', env: { PGCM_PAUSE_TIMEOUT: '1s' } };
    for (const command of ['supervise', 'proxy', 'failover'] as const) {
      assert.deepEqual(await problemsOf({ ...given, command }), []);
    }
  });

  it('is a file that names another file, but not itself', async () => {
    assert.deepEqual(await problemsOf({ toml: 'config-file = "/other"' }), [
      'FILE:1: config-file: a file cannot name another one',
    ]);
    assert.deepEqual(await problemsOf({ toml: 'config-file = ""' }), []);
  });
});

describe('relations between options', () => {
  const cases: readonly (readonly [Record<string, string>, string | undefined])[] = [
    [{ 'pause-timeout': '1s', 'pause-expiry': '1s' }, undefined],
    [{ 'pause-timeout': '2s', 'pause-expiry': '1s' }, 'pause-timeout (2s) is longer than pause-expiry (1s)'],
    [{ 'pause-expiry': '0' }, 'pause-expiry is 0'],
    [{ 'pause-expiry': '0', 'allow-endless-pause': 'true' }, undefined],
    [{ 'pgbouncer-port': '1,2' }, undefined],
    [{ 'pgbouncer-socket-dir': '/a /b' }, undefined],
    [{ 'pgbouncer-port': '1,2', 'pgbouncer-socket-dir': '/a,/b' }, undefined],
    [
      { 'pgbouncer-port': '1,2,3', 'pgbouncer-socket-dir': '/a,/b' },
      'names 2 folders and pgbouncer-port 3 ports',
    ],
    [{ 'pgbouncer-port': '1,1' }, 'name /var/run/postgresql:1 twice'],
    [{ 'etcd-tls-cert': '/c', 'etcd-endpoints': 'https://a' }, 'etcd-tls-cert needs etcd-tls-key'],
    [{ 'etcd-tls-key': '/c', 'etcd-endpoints': 'https://a' }, 'etcd-tls-key needs etcd-tls-cert'],
    [{ 'etcd-tls-ca': '/c', 'etcd-endpoints': 'https://a' }, undefined],
    [{ 'etcd-tls-ca': '/c' }, 'etcd-tls-* is set, but would not be used for http://127.0.0.1:2379'],
    [{ 'etcd-endpoints': 'https://a,http://b' }, 'etcd-endpoints mixes'],
    [{ 'api-tls-ca': '/c', 'api-tls-key': '/k' }, 'api-tls-*: api-tls-cert missing'],
    [
      { 'etcd-password': 'a', 'etcd-password-file': '/b' },
      'etcd-password and etcd-password-file are both set',
    ],
  ];
  for (const [flags, expected] of cases) {
    it(`${Object.entries(flags)
      .map((pair) => pair.join(' '))
      .join(', ')}: ${expected ?? 'fine'}`, async () => {
      const problems = await problemsOf({ flags });
      assert.equal(problems.length, expected === undefined ? 0 : 1, problems.join('\n'));
      assert.ok(problems[0] === undefined || problems[0].includes(expected ?? ''), problems[0]);
    });
  }

  it('are not looked at where an option is wrong by itself', async () => {
    assert.equal((await problemsOf({ flags: { 'pause-timeout': '30s', 'pause-expiry': '5' } })).length, 1);
  });

  it('of other commands do not keep a daemon from starting', async () => {
    const toml = 'pause-timeout = "30s"\npause-expiry = "10s"';
    assert.deepEqual(await problemsOf({ toml, command: 'proxy' }), []);
    assert.equal((await problemsOf({ toml, command: 'failover' })).length, 1);
  });

  it('ask for a password where a user is given, but not to show the configuration', async () => {
    assert.deepEqual(await problemsOf({ flags: { 'etcd-user': 'root' }, command: 'proxy' }), [
      'etcd-user needs etcd-password or etcd-password-file',
    ]);
    assert.deepEqual(await problemsOf({ flags: { 'etcd-user': 'root' } }), []);
  });

  it('that are odd are warned of', async () => {
    const warned = async (flags: Record<string, string>): Promise<string> =>
      (await load({ flags })).warnings.join('\n');
    assert.match(
      await warned({ 'promote-timeout': '30s' }),
      /promote-timeout \(30s\) is longer than pause-expiry/,
    );
    assert.match(await warned({ 'etcd-password-file': '/x' }), /etcd-password-file needs etcd-user/);
    assert.match(await warned({ 'probe-password': 'x' }), /probe-password needs probe-user/);
    assert.match(await warned({ 'postgres-master-crm-xpath': '//x' }), /has no effect/);
    assert.match(
      await warned({ 'pgbouncer-password': 'x' }),
      /--pgbouncer-password: every user of this machine/,
    );
    assert.equal(await warned({}), '');
  });

  it('pair folders and ports in order', () => {
    const pair = (dirs: string[], ports: number[]): unknown =>
      pgbouncerSockets({ 'pgbouncer-socket-dir': dirs, 'pgbouncer-port': ports });
    assert.deepEqual(pair(['/a'], [1, 2]), [
      { dir: '/a', port: 1 },
      { dir: '/a', port: 2 },
    ]);
    assert.deepEqual(pair(['/a', '/b'], [1]), [
      { dir: '/a', port: 1 },
      { dir: '/b', port: 1 },
    ]);
    assert.deepEqual(pair(['/a', '/b'], [1, 2]), [
      { dir: '/a', port: 1 },
      { dir: '/b', port: 2 },
    ]);
    assert.equal(pair(['/a', '/b'], [1, 2, 3]), undefined);
  });
});

describe('files that options name', () => {
  const password = (content: string, mode?: number): string => temporaryFile(content, mode);

  it('give the password of their first line', async () => {
    const flags = { 'pgbouncer-password-file': password('sésame  \r\nmore\n') };
    const { config, warnings } = await load({ command: 'proxy', flags });
    assert.equal(config['pgbouncer-password'], 'sésame  ');
    assert.deepEqual(warnings, []);
  });

  it('are not read to show the configuration, nor for a command that has no use for them', async () => {
    const flags = { 'pgbouncer-password-file': '/nonexistent' };
    assert.equal((await load({ flags })).config['pgbouncer-password'], '');
    assert.deepEqual(
      await problemsOf({ toml: 'pgbouncer-password-file = "/nonexistent"', command: 'failover' }),
      [],
    );
  });

  it('win over a password from a weaker source, and lose against one from a stronger', async () => {
    const file = password('from-file');
    const { config } = await load({
      command: 'proxy',
      toml: 'pgbouncer-password = "from-toml"',
      env: { PGCM_PGBOUNCER_PASSWORD_FILE: file },
    });
    assert.equal(config['pgbouncer-password'], 'from-file');
    const other = await load({
      command: 'proxy',
      toml: `pgbouncer-password-file = ${JSON.stringify(file)}`,
      env: { PGCM_PGBOUNCER_PASSWORD: 'from-env' },
    });
    assert.equal(other.config['pgbouncer-password'], 'from-env');
  });

  it('are named when they are missing, empty, not PEM, together with everything else', async () => {
    const problems = await problemsOf({
      command: 'supervise',
      flags: {
        'postgres-password-file': '/nonexistent',
        'pgbouncer-password-file': password('\nsecond'),
        'api-tls-ca': temporaryFile(CERTIFICATE),
        'api-tls-cert': temporaryFile(KEY),
        'api-tls-key': temporaryFile(CERTIFICATE),
        'etcd-timeout': '5',
      },
    });
    assert.deepEqual(problems, [
      '--etcd-timeout: "5" is not a duration: its unit is missing: 5s?',
      'pgbouncer-password-file: FILE: its first line is empty',
      'api-tls-cert: FILE: holds no certificate in PEM',
      'api-tls-key: FILE: holds no private key in PEM',
      'postgres-password-file: /nonexistent: cannot be read: no such file or directory',
    ]);
  });

  it('are fine when they hold what they should', async () => {
    const flags = {
      'api-tls-ca': temporaryFile(`text before\n${CERTIFICATE}`),
      'api-tls-cert': temporaryFile(CERTIFICATE),
      'api-tls-key': temporaryFile(KEY),
    };
    assert.deepEqual(await problemsOf({ command: 'supervise', flags }), []);
  });

  it('are warned of when everybody can read the password', async () => {
    const file = password('x', 0o644);
    const { warnings } = await load({ command: 'proxy', flags: { 'pgbouncer-password-file': file } });
    assert.deepEqual(warnings, [`pgbouncer-password-file: every user of this machine can read ${file}`]);
  });
});

describe('loading', () => {
  it('ends when it is interrupted', async () => {
    const reason = new Interrupted('SIGINT');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(load({ toml: '', signal }), reason);
  });

  it('has a hash that tells files apart by what they mean, and says nothing of passwords', async () => {
    const hash = async (toml: string): Promise<string | undefined> => (await load({ toml })).file?.hash;
    const one = await hash('etcd-timeout = "1s"\nlock-timeout = "1s"\npgbouncer-password = "a"');
    assert.match(one ?? '', /^[0-9a-f]{16}$/);
    assert.equal(
      await hash('# c\nlock-timeout = "1s"\npgbouncer-password = "b"\netcd-timeout = "1s"\n'),
      one,
    );
    assert.notEqual(await hash('etcd-timeout = "1s"\nlock-timeout = "2s"'), one);
  });
});
