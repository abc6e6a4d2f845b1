import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually, stays } from '../support/eventually.js';
import { Cluster } from './cluster.js';

/** The limit within which a daemon must be right again after its dependency's return. */
const RIGHT_AGAIN = { limit: 5_000, every: 50 };

const INI = '/etc/pgbouncer/pgbouncer.ini';

describe('a daemon whose dependency fails', () => {
  let cluster: Cluster;
  /** A node that is not the primary, and the primary. */
  let node: string;
  let primary: string;
  before(async () => {
    cluster = await Cluster.shared('t-dependencies');
    primary = await cluster.primary();
    pids = await daemonPids();
    node = cluster.nodes.find((name) => name !== primary) ?? '';
  });
  after(() => cluster.down());

  /** The daemons that run before must be the same processes at the end. */
  let pids = '';
  const daemonPids = async (): Promise<string> =>
    (
      await Promise.all([
        cluster.pid(primary, 'pgcm-supervise'),
        cluster.pid(primary, 'pgcm-proxy'),
        cluster.pid('app01', 'pgcm-proxy'),
      ])
    ).join(' ');
  const assertStayedUp = async (): Promise<void> => assert.equal(await daemonPids(), pids, 'a daemon ended');

  /** Replaces a program on a host by a shell script, until the returned function puts it back. */
  async function replace(host: string, program: string, script: string): Promise<() => Promise<void>> {
    const path = await cluster.output(host, 'sh', '-c', `command -v ${program}`);
    await cluster.output(host, 'mv', path, `${path}.real`);
    await cluster.output(
      host,
      'sh',
      '-c',
      `printf '#!/bin/sh\\n%s\\n' "$1" > "$2"; chmod 755 "$2"`,
      '-',
      script,
      path,
    );
    return async () => {
      await cluster.output(host, 'mv', '-f', `${path}.real`, path);
    };
  }

  /** supervise says the trouble; and once Pacemaker can be asked again, a wrong key is right in time. */
  async function superviseSays(pattern: RegExp, mark: number): Promise<void> {
    await eventually(
      async () => {
        const lines = await cluster.logSince(primary, 'pgcm-supervise', mark);
        return lines.some((line) => pattern.test(JSON.stringify(line)));
      },
      { limit: 20_000, every: 100, what: `supervise says ${pattern.source}` },
    );
  }

  for (const [what, program, script, says] of [
    ['crm_mon is missing', 'crm_mon', '', /crm_mon.*(cannot be started|exit status)/],
    ['crm_mon is slow', 'crm_mon', 'sleep 30', /crm_mon.*did not end within/],
    ['crm_mon prints rubbish', 'crm_mon', 'echo "<pacemaker"', /no complete XML/],
    ['corosync-cfgtool fails', 'corosync-cfgtool', 'echo broken >&2; exit 1', /corosync-cfgtool.*broken/],
  ] as const) {
    it(`${what}: says so, keeps the route, stays up, and is right again`, async () => {
      const mark = await cluster.logMark(primary, 'pgcm-supervise');
      const restore = await replace(primary, program, script);
      if (program === 'corosync-cfgtool') {
        // A running supervise knows the addresses: the trouble shows when it starts without them.
        await cluster.service(primary, 'restart', 'pgcm-supervise');
        pids = await daemonPids();
      }
      if (script === '') await cluster.output(primary, 'sh', '-c', `rm "$(command -v ${program})"`);
      // The other supervises would restore the key, and must not: here it is this one that counts.
      const others = cluster.nodes.filter((name) => name !== primary);
      for (const other of others) await cluster.service(other, 'stop', 'pgcm-supervise');
      try {
        await superviseSays(says, mark);
        assert.equal(await cluster.key(), cluster.addressOf(primary));
        await cluster.etcdctl('del', '/master');
        await restore();
        await eventually(async () => (await cluster.key()) === cluster.addressOf(primary), RIGHT_AGAIN);
        await assertStayedUp();
      } finally {
        for (const other of others) await cluster.service(other, 'start', 'pgcm-supervise');
      }
    });
  }

  describe('a value in etcd that is no usable address reaches neither the file nor PgBouncer', () => {
    before(async () => {
      // With every supervise stopped nobody repairs the key meanwhile.
      for (const name of cluster.nodes) await cluster.service(name, 'stop', 'pgcm-supervise');
    });
    after(async () => {
      for (const name of cluster.nodes) await cluster.service(name, 'start', 'pgcm-supervise');
      pids = await daemonPids();
      // Programs that start, all three at once, and no dependency that is back.
      await eventually(async () => (await cluster.key()) === cluster.addressOf(primary), {
        limit: 60_000,
        every: 100,
      });
    });

    for (const [what, value] of [
      ['empty', ''],
      ['text', 'pg01'],
      ['two lines', '10.77.0.12\n* = host=10.77.0.13'],
      ['0.0.0.0', '0.0.0.0'],
      ['multicast', '224.0.0.1'],
      ['1 MB', 'x'.repeat(1_000_000)],
    ] as const) {
      it(what, async () => {
        const reloads = `grep -c "RELOAD command issued" /var/log/node/pgbouncer.log || true`;
        const state = (): Promise<string> =>
          cluster.output(
            'app01',
            'sh',
            '-c',
            `stat -c '%Y %Z %i %a %U:%G' ${INI}; md5sum ${INI}; ${reloads}`,
          );
        const found = await state();
        const mark = await cluster.logMark('app01', 'pgcm-proxy');
        await cluster.putKey(value);
        await eventually(
          async () => {
            const lines = await cluster.logSince('app01', 'pgcm-proxy', mark);
            return lines.some((line) => line['event'] === 'route.refused');
          },
          { limit: 20_000, every: 100, what: `the proxy refuses ${what}` },
        );
        assert.equal(await state(), found);
        assert.match(found, /\n[1-9]\d*$/, 'the count of reloads counts nothing');
      });
    }
  });

  it('PgBouncer is down: the proxy stays up, and PgBouncer leads to the primary again', async () => {
    await cluster.service('app01', 'stop', 'pgbouncer');
    const mark = await cluster.logMark('app01', 'pgcm-proxy');
    await eventually(
      async () =>
        (await cluster.logSince('app01', 'pgcm-proxy', mark)).some((l) =>
          /pgbouncer/i.test(JSON.stringify(l)),
        ),
      { limit: 20_000, every: 100, what: 'the proxy says that PgBouncer is away' },
    );
    await cluster.service('app01', 'start', 'pgbouncer');
    await eventually(async () => {
      const url = 'host=app01 port=6432 dbname=app user=app connect_timeout=2';
      const { stdout } = await cluster.run(
        'client01',
        'psql',
        '-XAtc',
        'select host(inet_server_addr())',
        url,
      );
      return stdout.trim() === cluster.addressOf(primary);
    }, RIGHT_AGAIN);
    await assertStayedUp();
  });

  it('etcd is gone for all: clients keep their route; a key changed when it is back is right in time', async () => {
    const mark = await cluster.logMark('app01', 'pgcm-proxy');
    for (const name of cluster.nodes) await cluster.service(name, 'stop', 'etcd');
    await eventually(
      async () =>
        (await cluster.logSince('app01', 'pgcm-proxy', mark)).some((l) => /etcd/.test(JSON.stringify(l))),
      { limit: 20_000, every: 100, what: 'the proxy says that etcd is away' },
    );
    assert.equal(await cluster.leadsTo('app01'), cluster.addressOf(primary));
    for (const name of cluster.nodes) await cluster.service(name, 'start', 'etcd');
    await eventually(async () => (await cluster.key().catch(() => '')) !== '', { limit: 20_000, every: 100 });
    await cluster.etcdctl('del', '/master');
    await eventually(async () => (await cluster.key()) === cluster.addressOf(primary), RIGHT_AGAIN);
    await assertStayedUp();
  });

  it('a daemon that froze is killed by the watchdog and started again, and does its work', async () => {
    for (const [host, service] of [
      [primary, 'pgcm-supervise'],
      ['app01', 'pgcm-proxy'],
    ] as const) {
      const frozen = await cluster.pid(host, service);
      await cluster.output(host, 'kill', '-STOP', frozen);
      const restarted = async (): Promise<boolean> => {
        const { status, stdout } = await cluster.run(host, 'cat', `/run/node/services/${service}/pid`);
        return status === 0 && stdout.trim() !== frozen;
      };
      await eventually(restarted, { limit: 60_000, every: 200, what: `${service} is restarted on ${host}` });
    }
    pids = await daemonPids();
    await cluster.etcdctl('del', '/master');
    await eventually(async () => (await cluster.key()) === cluster.addressOf(primary), {
      limit: 15_000,
      every: 100,
    });
    assert.equal(await cluster.leadsTo('app01'), cluster.addressOf(primary));
  });

  it('a port in use is one line and an exit status', async () => {
    const { status, stderr } = await cluster.run(
      'pg01',
      'pgcm',
      'supervise',
      '--config-file',
      '/etc/pgcm/config.toml',
    );
    assert.notEqual(status, 0);
    const said = stderr.split('\n').filter((line) => /8080/.test(line) && /error|pgcm:/.test(line));
    assert.equal(said.length, 1, stderr);
    assert.match(said[0] ?? '', /another program listens there/);
  });

  it('no quorum: a node cut off from the others publishes nothing and says why', async () => {
    const mark = await cluster.logMark(node, 'pgcm-supervise');
    // Else the others would switch it off before it can be listened to.
    await cluster.playground.fencing('fail');
    await cluster.playground.cut(node);
    const says = (pattern: RegExp) => async (): Promise<boolean> => {
      const lines = await cluster.logSince(node, 'pgcm-supervise', mark);
      return lines.some((line) => pattern.test(JSON.stringify(line)));
    };
    await eventually(says(/has no quorum/), {
      limit: 30_000,
      every: 100,
      what: 'it says that it has no quorum',
    });
    await stays(async () => (await cluster.key()) === cluster.addressOf(primary), 1_000);
    assert.equal(await cluster.key(), cluster.addressOf(primary));
    // It is switched off at last; healed before, it might be, or not.
    await cluster.playground.fencing('ok');
    const fenced = async (): Promise<boolean> =>
      (await cluster.playground.hosts()).some((host) => host.name === node && host.fenced);
    await eventually(fenced, { limit: 120_000, every: 200, what: `${node} is fenced` });
    await cluster.playground.heal(node);
    await cluster.playground.start(node);
  });
});
