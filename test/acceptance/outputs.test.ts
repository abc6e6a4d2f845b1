import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import { sleep } from '../../src/runtime/deadline.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';
import { Session } from './session.js';

// app01 with the shipped templates: a read-only database in its PgBouncer, and an HAProxy beside it.

const BLOCK = `
[[output]]
name = "haproxy"
template = "/etc/haproxy/haproxy.cfg.template"
file = "/etc/haproxy/haproxy.cfg"
owner = "root:haproxy"
mode = "0640"
check = ["/usr/sbin/haproxy", "-c", "-f", "{file}"]
reload = ["/usr/local/bin/reload-haproxy"]
`;

const SETUP = `
cp /opt/pgcm/templates/haproxy.cfg.template /etc/haproxy/
sed -n '/^{{#if Replicas}}/,/^{{.if}}/p' /opt/pgcm/templates/pgbouncer.ini.template >/tmp/read-only
sed -i '/^\\[databases\\]/r /tmp/read-only' /etc/pgbouncer/pgbouncer.ini.template
printf '#!/bin/sh\\nexec kill -USR2 "$(cat /run/haproxy.pid)"\\n' >/usr/local/bin/reload-haproxy
chmod 755 /usr/local/bin/reload-haproxy
cat >>/etc/pgcm/config.toml
`;

let cluster: Cluster;

/** What a new client finds: the server's address, and whether it is in recovery. */
const ask = async (where: string): Promise<string> => {
  const sql = 'select host(inet_server_addr()), pg_is_in_recovery()';
  const { status, stdout } = await cluster.run('client01', 'psql', '-XAtc', sql, where);
  return status === 0 ? stdout.trim() : 'refused';
};
const at = (port: number, database = 'app'): Promise<string> =>
  ask(`host=app01 port=${port} dbname=${database} user=app connect_timeout=5`);
const soon = (check: () => Promise<boolean>, what: string): Promise<void> =>
  eventually(check, { limit: 20_000, every: 100, what });
const uri = (...args: string[]): Promise<string> =>
  cluster.output('client01', 'pgcm', 'show-uri', '--config-file', '/etc/pgcm/config.toml', ...args);

before(async () => {
  cluster = await Cluster.up('t-outputs');
  await hadSwitchover(cluster.playground);
  const { status, stderr } = await cluster.playground.exec('app01', ['sh', '-euc', SETUP], { input: BLOCK });
  assert.equal(status, 0, stderr);
  await cluster.service('app01', 'restart', 'pgcm-proxy');
});
after(() => cluster.down());

it('HAProxy is told of its file when it is there, and leads to the primary and to the standbys', async () => {
  const file = '/etc/haproxy/haproxy.cfg';
  await soon(
    async () => (await cluster.run('app01', 'grep', '-q', 'server primary 10.77', file)).status === 0,
    file,
  );
  const marker = '/etc/haproxy/.haproxy.cfg.pgcm-untold';
  assert.equal((await cluster.run('app01', 'test', '-e', marker)).status, 0);
  await cluster.output('app01', 'haproxy', '-W', '-D', '-p', '/run/haproxy.pid', '-f', file);
  await soon(async () => (await cluster.run('app01', 'test', '-e', marker)).status === 1, 'HAProxy was told');
  const primary = cluster.addressOf(await cluster.primary());
  await soon(async () => (await at(5432)) === `${primary}|f`, 'the write port leads to the primary');
  await soon(async () => (await at(7432)).endsWith('|t'), 'the read-only port leads to a standby');
  assert.equal(await cluster.output('app01', 'stat', '-c', '%U:%G %a', file), 'root:haproxy 640');
});

it('a read-only database goes on through a switchover, and both ports follow it', async () => {
  await soon(async () => (await at(6432, 'app_ro')).endsWith('|t'), 'app_ro leads to a standby');
  const target = await cluster.sync();
  const reader = await Session.open(cluster.playground, 'app01', 'app_ro');
  // Patient: what is tested here are the files, and the machine may be busy.
  const run = await FailoverRun.start(cluster.playground, 'client01', '--health-check-timeout', '10s');
  const ended = new AbortController();
  const over = run.status().finally(() => ended.abort());
  let answers = 0;
  while ((await sleep(50, ended.signal)) === 'elapsed') {
    assert.match(await reader.query('select 1 + 1'), /^2$/);
    answers += 1;
  }
  reader.close();
  assert.equal(await over, 0, run.text);
  assert.ok(answers > 10, `${answers} answers`);
  assert.equal(reader.errors, '');
  const primary = `${cluster.addressOf(target)}|f`;
  await soon(async () => (await at(5432)) === primary, 'the write port leads to the new primary');
  await soon(async () => (await at(7432)).endsWith('|t'), 'the read-only port leads to a standby');
  await soon(async () => (await at(6432, 'app_ro')).endsWith('|t'), 'app_ro leads to a standby');
  assert.equal(await at(6432), primary);
});

it('show-uri leads libpq to the primary, and readers to a standby', async () => {
  const primary = cluster.addressOf(await cluster.primary());
  const common = ['--uri-user', 'app', '--uri-dbname', 'app'];
  const toPrimary = await uri(...common);
  assert.match(toPrimary, new RegExp(`^postgresql://app@${primary}:5432,`));
  assert.equal(await ask(toPrimary), `${primary}|f`);
  assert.match(await ask(await uri('--role', 'replica', ...common)), /\|t$/);
  // The order is only for speed.
  const backwards = toPrimary.replace(
    /@([^/]*)/,
    (_, hosts: string) => `@${hosts.split(',').reverse().join(',')}`,
  );
  assert.equal(await ask(backwards), `${primary}|f`);
});

it('while nothing changes, nothing is written and nothing reloaded', async () => {
  await cluster.heal();
  const files = ['/etc/haproxy/haproxy.cfg', '/etc/pgbouncer/pgbouncer.ini'];
  const stamp = (): Promise<string> => cluster.output('app01', 'stat', '-c', '%i %Y', ...files);
  // Standbys have just come back.
  let [stable, since] = [await stamp(), Date.now()];
  await eventually(
    async () => {
      const now = await stamp();
      if (now !== stable) [stable, since] = [now, Date.now()];
      return Date.now() - since > 12_000;
    },
    { limit: 60_000, every: 500, what: 'the files stay as they are' },
  );
  const revision = async (): Promise<string> =>
    await cluster.etcdctl('get', '/pgcm/proxies/app01', '--write-out', 'fields');
  const before = await revision();
  const mark = await cluster.logMark('app01', 'pgcm-proxy');
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  assert.equal(await stamp(), stable);
  const modified = (text: string): string | undefined => /"ModRevision" : (\d+)/.exec(text)?.[1];
  assert.equal(modified(await revision()), modified(before));
  // A poll of etcd comes every etcd-stream-poll-interval, whether anything changes or not.
  const log = await cluster.logSince('app01', 'pgcm-proxy', mark);
  assert.deepEqual(
    log.filter(({ event }) => event !== 'poll.start'),
    [],
  );
});
