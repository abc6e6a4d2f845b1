import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import {
  declaration,
  flagNames,
  optionNames,
  variableName,
  type Config,
  type ConfigOf,
} from '../../src/config/options.js';
import { showConfig } from '../../src/config/show.js';
import { withOptionsTable } from '../../src/config/table.js';
import { packageFile } from '../../src/runtime/package-root.js';
import { load, temporaryFile } from '../support/config.js';

/** The names and defaults that pgsql-cluster-manager had; a site's files rely on them. */
const inherited = {
  'etcd-namespace': '',
  'etcd-endpoints': ['http://127.0.0.1:2379'],
  'etcd-timeout': 3_000,
  'etcd-dial-timeout': 3_000,
  'etcd-keep-alive-time': 30_000,
  'etcd-keep-alive-timeout': 5_000,
  'etcd-postgres-master-key': '/master',
  'pgbouncer-user': 'pgbouncer',
  'pgbouncer-password': '',
  'pgbouncer-database': 'pgbouncer',
  'pgbouncer-socket-dir': ['/var/run/postgresql'],
  'pgbouncer-port': [6432],
  'pgbouncer-config-file': '/etc/pgbouncer/pgbouncer.ini',
  'pgbouncer-config-template-file': '/etc/pgbouncer/pgbouncer.ini.template',
  'pgbouncer-timeout': 5_000,
  'pgbouncer-retry-interval': 5_000,
  'etcd-stream-poll-interval': 60_000,
  'etcd-get-timeout': 5_000,
  'bind-address': ':8080',
  'postgres-master-crm-xpath': "//node/instance_attributes/nvpair[@value='LATEST']/../..",
  'host-key-update-retry-interval': 1_000,
  'pacemaker-poll-interval': 1_000,
  'pacemaker-get-timeout': 500,
  'failover-api-endpoints': ['pg01:8080', 'pg02:8080', 'pg03:8080'],
  'health-check-timeout': 2_000,
  'lock-timeout': 5_000,
  'pause-timeout': 5_000,
  'pause-expiry': 25_000,
  'resume-timeout': 5_000,
  'pacemaker-timeout': 20_000,
};

/** For each option a text that is not its default; together they are a configuration without fault. */
const samples: Record<Exclude<keyof Config, 'config-file' | 'output'>, string> = {
  'log-format': 'json',
  'etcd-namespace': '/site "a"\\',
  'etcd-endpoints': 'https://a:2379,https://b:2379',
  'etcd-timeout': '1500ms',
  'etcd-dial-timeout': '4s',
  'etcd-keep-alive-time': '1m30s',
  'etcd-keep-alive-timeout': '6s',
  'etcd-postgres-master-key': '/primary',
  'etcd-tls-ca': '/tls/ca',
  'etcd-tls-cert': '/tls/cert',
  'etcd-tls-key': '/tls/key',
  'etcd-user': 'root',
  'etcd-password': 'hunter2',
  'etcd-password-file': '',
  'pgbouncer-user': 'admin',
  'pgbouncer-password': 'hunter3',
  'pgbouncer-password-file': '',
  'pgbouncer-database': 'console',
  'pgbouncer-socket-dir': '/run/a,/run/b',
  'pgbouncer-port': '6432,6433',
  'pgbouncer-config-file': '/tmp/ini',
  'pgbouncer-config-template-file': '/tmp/template',
  'pgbouncer-timeout': '7s',
  'pgbouncer-retry-interval': '8s',
  'etcd-stream-poll-interval': '2m',
  'etcd-get-timeout': '9s',
  'bind-address': '127.0.0.1:9090',
  'http-address': 'off',
  'api-tls-ca': '/api/ca',
  'api-tls-cert': '/api/cert',
  'api-tls-key': '/api/key',
  'pacemaker-resource': 'ms_pg',
  'postgres-master-crm-xpath': '//x',
  'host-key-update-retry-interval': '2s',
  'pacemaker-poll-interval': '3s',
  'pacemaker-get-timeout': '600ms',
  'postgres-socket-dir': '/run/pg',
  'postgres-port': '5433',
  'postgres-user': 'monitor',
  'postgres-database': 'app',
  'postgres-password': 'hunter4',
  'postgres-password-file': '',
  'postgres-timeout': '1s',
  'failover-api-endpoints': 'a:1,b:2',
  'health-check-timeout': '3s',
  'lock-timeout': '6s',
  'pause-timeout': '7s',
  'pause-expiry': '0',
  'allow-endless-pause': 'true',
  'promote-timeout': '31s',
  'resume-timeout': '6s',
  'replication-user': 'manager',
  'replication-password': 'hunter6',
  'replication-password-file': '',
  'sync-standbys': '2',
  'sync-mode': 'strict',
  'agent-state-dir': '/srv/state',
  node: 'pg02',
  'cluster-tool': 'pcs',
  'cluster-members': 'pg01=10.0.0.1,pg02=10.0.0.2',
  'postgres-config-file': '/srv/postgresql.conf',
  'postgres-log-file': '/srv/log',
  'standby-user': 'standby',
  'standby-conninfo': 'sslmode=verify-full',
  'agent-etcd-user-file': '/srv/etcd-user',
  'agent-rebuild': 'true',
  'agent-start-timeout': '1h0m0s',
  'no-fencing': 'true',
  'postgres-data-dir': '/srv/data',
  'postgres-bin-dir': '/srv/bin',
  'max-replica-lag': '32MB',
  'replica-fallback': 'primary',
  role: 'replica',
  'uri-user': 'reader',
  'uri-dbname': 'app',
  'uri-port': '5433',
  'proxy-id': 'app-7',
  'proxy-socket': '/run/other/proxy.sock',
  'probe-user': 'prober',
  'probe-database': 'app',
  'probe-port': '5433',
  'probe-password': 'hunter5',
  'probe-password-file': '',
  'probe-interval': '2s',
  'probe-keep-connection': 'false',
  'hold-timeout': '45s',
  'destroy-sockets': 'false',
  'checkpoint-timeout': '7s',
  'no-checkpoint': 'true',
  'rejoin-timeout': '8s',
  'no-rejoin': 'true',
  to: 'pg03',
  'dry-run': 'true',
  force: 'true',
  'terminate-blockers': '30s',
  'max-lag': '1MB',
  json: 'true',
  'forget-proxy': 'app-9',
  'pacemaker-timeout': '21s',
};

describe('the options', () => {
  it('have the names and defaults of pgsql-cluster-manager', async () => {
    const { config } = await load();
    const chosen = Object.keys(inherited).map((name) => [name, config[name as keyof Config]]);
    assert.deepEqual(Object.fromEntries(chosen), inherited);
  });

  it('have types that follow from their declaration', async () => {
    const { config } = await load();
    const timeout: number = config['etcd-timeout'];
    const endpoints: readonly string[] = config['etcd-endpoints'];
    const ports: readonly number[] = config['pgbouncer-port'];
    const format: 'auto' | 'logfmt' | 'json' = config['log-format'];
    const endless: boolean = config['allow-endless-pause'];
    const forProxy: ConfigOf<'proxy'> = config;
    // @ts-expect-error: a command sees only the options that are declared for it.
    const foreign: unknown = forProxy['lock-timeout'];
    assert.equal(typeof foreign, 'number');
    assert.deepEqual(
      [timeout, endpoints.length, ports.length, format, endless],
      [3_000, 1, 1, 'auto', false],
    );
  });

  it('are read alike from flags, environment and file', async () => {
    const env = Object.fromEntries(
      Object.entries(samples).map(([name, value]) => [variableName(name as keyof Config), value]),
    );
    const toml = Object.entries(samples)
      .map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`)
      .join('');
    const byFlag = await load({ flags: samples });
    const byEnvironment = await load({ env });
    const byFile = await load({ toml });
    assert.deepEqual(byEnvironment.config, byFlag.config);
    assert.deepEqual({ ...byFile.config, 'config-file': '' }, byFlag.config);
    assert.deepEqual(Object.keys(byFlag.config), optionNames);
    const same = Object.keys(samples).filter((name) => {
      const key = name as keyof Config;
      return JSON.stringify(byFlag.config[key]) === JSON.stringify(declaration(key).default);
    });
    assert.deepEqual(
      same,
      Object.keys(samples).filter((name) => name.endsWith('-password-file')),
    );
  });

  it('of every timeout and interval say what clients notice', () => {
    const silent = optionNames
      .filter((name) => declaration(name).kind.label === 'DURATION')
      .filter((name) => !/client|everybody/i.test(declaration(name).explain));
    assert.deepEqual(silent, []);
  });

  it('are in README.md as they are declared', () => {
    const readme = readFileSync(packageFile('README.md'), 'utf8');
    assert.ok(readme === withOptionsTable(readme), 'run `node scripts/update-readme.mjs` after a build');
  });

  it('have no place in a document without markers', () => {
    assert.throws(() => withOptionsTable('# x\n<!-- options:end --><!-- options:start -->'), /options:start/);
  });
});

describe('show-config', () => {
  it('prints every option, and what it prints is read again as the same configuration', async () => {
    const shown = await load({ flags: samples });
    const text = showConfig(shown);
    const again = await load({ toml: text });
    const secrets = {
      'etcd-password': '',
      'pgbouncer-password': '',
      'postgres-password': '',
      'replication-password': '',
      'probe-password': '',
    };
    assert.deepEqual({ ...again.config, 'config-file': '' }, { ...shown.config, ...secrets });
    for (const name of flagNames) assert.match(text, new RegExp(`^(# )?${name} = `, 'm'));
    assert.match(text, /^# \[\[output\]\]$/m);
  });

  it('does so for the defaults, too', async () => {
    const shown = await load();
    const again = await load({ toml: showConfig(shown) });
    assert.deepEqual({ ...again.config, 'config-file': '' }, shown.config);
    // What only follows goes on following.
    const later = await load({
      flags: { 'config-file': temporaryFile(showConfig(shown)), 'pause-expiry': '40s' },
    });
    assert.equal(later.config['promote-timeout'], 40_000);
  });

  it('never shows a password', async () => {
    const text = showConfig(await load({ flags: samples }));
    assert.doesNotMatch(text, /hunter/);
    for (const name of [
      'etcd-password',
      'pgbouncer-password',
      'postgres-password',
      'replication-password',
      'probe-password',
    ]) {
      assert.match(text, new RegExp(`^# ${name} = "\\.\\.\\."$`, 'm'));
      assert.doesNotMatch(text, new RegExp(`^${name} =`, 'm'));
    }
  });

  it('explains each option above it, with its default, users and origin', async () => {
    const text = showConfig(await load({ env: { PGCM_LOCK_TIMEOUT: '9s' } }));
    const block = text.split('\n\n').find((part) => part.includes('\nlock-timeout = '));
    assert.match(block ?? '', /^# How long to wait while another failover/);
    assert.match(
      block ?? '',
      /\n# Default: 5s\. Used by failover and cleanup\. Set by the environment\.\nlock-timeout = "9s"$/,
    );
    assert.ok(text.split('\n').every((line) => line.length <= 100));
  });

  it('shows an option without effect as a comment, unless somebody has set it', async () => {
    const name = 'postgres-master-crm-xpath';
    const shown = showConfig(await load());
    assert.match(shown, new RegExp(`^# ${name} = "//node`, 'm'));
    assert.deepEqual((await load({ toml: shown })).warnings, []);
    assert.match(showConfig(await load({ flags: { [name]: '//x' } })), new RegExp(`^${name} = "//x"$`, 'm'));
  });

  it('shows a value that only follows another one as a comment', async () => {
    assert.match(
      showConfig(await load({ flags: { 'pause-expiry': '30s' } })),
      /^# promote-timeout = "30s"$/m,
    );
    assert.match(
      showConfig(await load({ flags: { 'promote-timeout': '30s' } })),
      /^promote-timeout = "30s"$/m,
    );
    assert.deepEqual(Object.keys(parse(showConfig(await load()))).includes('promote-timeout'), false);
  });
});
