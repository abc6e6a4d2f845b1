import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { run as failover } from '../../src/cli/failover.js';
import { etcdOptions } from '../../src/cli/parts.js';
import { run as proxy } from '../../src/cli/proxy.js';
import { run as supervise } from '../../src/cli/supervise.js';
import { loadConfig } from '../../src/config/load.js';
import type { Config, OptionName } from '../../src/config/options.js';
import { options } from '../../src/config/options.js';
import { PgcmError } from '../../src/domain/errors.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';

/** Everything as declared, with these flags. */
async function configWith(flags: Partial<Record<OptionName, string>>): Promise<Config> {
  const entries = Object.entries(flags).map(([name, value]) => [name as OptionName, [value]] as const);
  const { config } = await loadConfig({
    command: undefined,
    flags: new Map(entries),
    env: {},
    problems: [],
    signal: new AbortController().signal,
  });
  return config;
}

/** A config that remembers which options were read. */
function watched(config: Config): { readonly config: Config; readonly read: Set<string> } {
  const read = new Set<string>();
  const proxy = new Proxy(config, {
    get(target, name: string) {
      read.add(name);
      return target[name as OptionName];
    },
  });
  return { config: proxy, read };
}

describe('options reach what they are for', () => {
  it('defect 3: etcd-keep-alive-* are read under the names that they are declared under', async () => {
    const config = await configWith({
      'etcd-keep-alive-time': '41s',
      'etcd-keep-alive-timeout': '42s',
      'etcd-timeout': '43s',
      'etcd-dial-timeout': '44s',
      'etcd-namespace': '/site',
    });
    const { keepAliveTime, keepAliveTimeout, timeout, dialTimeout, namespace } = await etcdOptions(config);
    assert.deepEqual(
      [keepAliveTime, keepAliveTimeout, timeout, dialTimeout, namespace],
      [41_000, 42_000, 43_000, 44_000, '/site'],
    );
  });

  for (const [name, command] of [
    ['supervise', supervise],
    ['proxy', proxy],
    ['failover', failover],
  ] as const) {
    it(`defect 3: ${name} reads every option that is declared to be used by it`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'pgcm-parts-'));
      const template = join(folder, 'template');
      writeFileSync(template, '[databases]\napp = host={{.Host}}\n');
      const { config, read } = watched(
        await configWith({
          'pgbouncer-config-template-file': template,
          'pgbouncer-config-file': join(folder, 'pgbouncer.ini'),
          'bind-address': '127.0.0.1:0',
          'http-address': '127.0.0.1:0',
          'etcd-user': 'somebody',
          'probe-user': 'somebody',
          'etcd-password': 'secret',
        }),
      );
      const silent = { write: () => undefined, isTerminal: false };
      const declared = Object.entries(options)
        .filter(([, option]) => (option.commands as readonly string[]).includes(name))
        .map(([option]) => option)
        .filter((option) => !readElsewhere.has(option));
      assert.ok(declared.length > 15, 'no options were found');
      const life = new AbortController();
      const running = command({
        config,
        log: new FakeLog(),
        signal: life.signal,
        env: {},
        stdout: silent,
        stderr: silent,
      });
      const unread = (): readonly string[] => declared.filter((option) => !read.has(option));
      await eventually(() => unread().length === 0).catch(() => undefined);
      life.abort(new PgcmError('aborted', 'enough was seen'));
      await running;
      rmSync(folder, { recursive: true });
      assert.deepEqual(unread(), []);
    });
  }
});

/** By the loader, or by nobody on purpose. */
const readElsewhere = new Set([
  'config-file',
  'log-format',
  'etcd-password-file',
  'pgbouncer-password-file',
  'postgres-password-file',
  'replication-password-file',
  'probe-password-file',
  'allow-endless-pause',
  'postgres-master-crm-xpath',
]);
