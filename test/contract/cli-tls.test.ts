import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packageFile } from '../../src/runtime/package-root.js';
import { eventually } from '../support/eventually.js';
import { makeCertificates, type Certificates } from './certificates.js';
import { EtcdServers } from './etcd-server.js';

/** pgcm as a process of its own, with its log. */
class Pgcm {
  readonly child;
  log = '';
  status: number | undefined;

  constructor(...args: string[]) {
    this.child = spawn(
      process.execPath,
      [packageFile('dist', 'src', 'main.js'), ...args, '--log-format', 'json'],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      },
    );
    this.child.stderr.setEncoding('utf8').on('data', (chunk: string) => (this.log += chunk));
    this.child.once('close', (status) => (this.status = status ?? -1));
  }

  async ended(): Promise<number> {
    await eventually(() => this.status !== undefined, {
      limit: 60_000,
      what: `the end of pgcm: ${this.log}`,
    });
    return this.status ?? -1;
  }

  async says(pattern: RegExp): Promise<void> {
    await eventually(() => pattern.test(this.log), {
      limit: 30_000,
      what: `${pattern.source} in: ${this.log}`,
    });
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.ended();
  }
}

describe('the options for TLS reach etcd and the API', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcm-cli-tls-'));
  const running: Pgcm[] = [];
  let ours: Certificates;
  let strangers: Certificates;
  let etcd: EtcdServers;
  let etcdFlags: string[];

  const start = (...args: string[]): Pgcm => {
    const pgcm = new Pgcm(...args);
    running.push(pgcm);
    return pgcm;
  };
  const api = (of: Certificates): string[] => [
    ...['--api-tls-ca', of.ca, '--api-tls-cert', of.serverCert, '--api-tls-key', of.serverKey],
  ];

  before(async () => {
    [ours, strangers] = [await makeCertificates(), await makeCertificates()];
    etcd = await EtcdServers.start({ members: 1, tls: ours });
    etcdFlags = [
      ...['--etcd-endpoints', etcd.endpoints.join(',')],
      ...['--etcd-tls-ca', ours.ca, '--etcd-tls-cert', ours.clientCert, '--etcd-tls-key', ours.clientKey],
    ];
  });
  after(async () => {
    for (const pgcm of running) await pgcm.stop();
    await etcd.stop();
    await ours.remove();
    await strangers.remove();
    rmSync(folder, { recursive: true });
  });

  it('proxy reads the route over TLS with a client certificate', async () => {
    await etcd.etcdctl(['put', '/master', '10.77.0.12']);
    const [template, ini] = [join(folder, 'template'), join(folder, 'pgbouncer.ini')];
    writeFileSync(template, '[databases]\napp = host={{.Host}}\n');
    start(
      'proxy',
      ...etcdFlags,
      ...['--pgbouncer-config-template-file', template, '--pgbouncer-config-file', ini],
      ...['--pgbouncer-socket-dir', folder, '--proxy-socket', join(folder, 'proxy.sock')],
      ...['--http-address', 'off'],
    );
    // There is no PgBouncer here; the file is written all the same.
    await eventually(
      () => {
        try {
          return readFileSync(ini, 'utf8') === '[databases]\napp = host=10.77.0.12\n';
        } catch {
          return false;
        }
      },
      { limit: 30_000, what: 'the route is in the file' },
    );
  });

  it('proxy does not start with a template that cannot be used, and says where it is wrong', async () => {
    const template = join(folder, 'bad-template');
    writeFileSync(template, '[databases]\napp = host={{.Host}\n');
    const bad = start('proxy', ...etcdFlags, '--pgbouncer-config-template-file', template);
    assert.equal(await bad.ended(), 2, bad.log);
    assert.match(bad.log, /bad-template:2:14: /);
    const missing = start('proxy', ...etcdFlags, '--pgbouncer-config-template-file', join(folder, 'none'));
    assert.equal(await missing.ended(), 2, missing.log);
    assert.match(missing.log, /none: the template cannot be read: /);
  });

  it('failover talks to supervise with certificates of one CA, and to no other', async () => {
    const supervise = start(
      'supervise',
      ...etcdFlags,
      ...api(ours),
      '--bind-address',
      '127.0.0.1:0',
      '--http-address',
      'off',
    );
    await supervise.says(/"server.listen"/);
    const port = /"port":(\d+)/.exec(supervise.log)?.[1] ?? '';
    const failover = (...flags: string[]): Pgcm =>
      start('failover', ...etcdFlags, ...flags, '--failover-api-endpoints', `127.0.0.1:${port}`);
    const trusted = failover(...api(ours));
    // No Pacemaker here: what counts is that the node itself says so, through TLS.
    assert.equal(await trusted.ended(), 3, trusted.log);
    assert.match(trusted.log, /127\.0\.0\.1:\d+: pacemaker: /);
    assert.match(trusted.log, /127\.0\.0\.1:\d+: pgbouncer: /);
    assert.doesNotMatch(trusted.log, /: etcd: /, 'supervise does not reach etcd over TLS');
    for (const flags of [api(strangers), []]) {
      const refused = failover(...flags);
      assert.equal(await refused.ended(), 3, refused.log);
      assert.doesNotMatch(refused.log, /: pacemaker: /);
    }
  });
});
