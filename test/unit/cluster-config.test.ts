import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from '../../src/cli/run.js';
import { agentParameters, type AgentSettings } from '../../src/domain/agent-parameters.js';
import {
  agentDefaults,
  agentTimeouts,
  meaningOf,
  pcsCalls,
  pick,
  playgroundMeaning,
  withoutTimeouts,
  type Pairs,
} from '../support/cluster-meaning.js';
import { load } from '../support/config.js';

const members = 'pg01=10.0.0.1 pg02=10.0.0.2 pg03=10.0.0.3';

/** As the playground has it. */
const playground: Pairs = {
  'cluster-members': members,
  'etcd-endpoints': 'http://10.0.0.1:2379,http://10.0.0.2:2379,http://10.0.0.3:2379',
  'postgres-data-dir': '/var/lib/postgresql/15/main',
  'postgres-config-file': '/etc/postgresql/15/main/postgresql.conf',
  'postgres-log-file': '/var/log/postgresql/postgresql-15-main.log',
};

const everything: Pairs = {
  ...playground,
  'etcd-namespace': '/site-a',
  'agent-etcd-user-file': '/etc/pgcm/etcd-user',
  'postgres-bin-dir': '/usr/lib/postgresql/15/bin',
  'postgres-socket-dir': '/run/postgresql',
  'postgres-port': '5433',
  'standby-user': 'standby',
  'standby-conninfo': 'sslmode=verify-full passfile=/var/lib/postgresql/.pgpass',
  'sync-mode': 'strict',
  'agent-state-dir': '/srv/pgcm',
};

const rebuilding = ['--agent-rebuild'];

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function pgcm(tool: string, options: Pairs, switches: readonly string[] = []): Promise<Ran> {
  const text = { stdout: '', stderr: '' };
  const output = (name: 'stdout' | 'stderr') => ({
    isTerminal: false,
    write: (written: string) => void (text[name] += written),
  });
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const status = await run(
    ['cluster-config', tool, ...flags, ...switches],
    {},
    { stdout: output('stdout'), stderr: output('stderr') },
    new AbortController().signal,
  );
  return { status, ...text };
}

async function rendered(
  tool: 'crm' | 'pcs',
  options: Pairs,
  switches: readonly string[] = [],
): Promise<string> {
  const { status, stdout, stderr } = await pgcm(tool, options, switches);
  assert.deepEqual([status, stderr], [0, '']);
  return stdout;
}

describe('cluster-config', () => {
  for (const tool of ['crm', 'pcs'] as const) {
    for (const fencing of ['playground', 'none'] as const) {
      it(`${tool}: means what the playground's cluster means, fencing ${fencing}`, async () => {
        const switches = [...rebuilding, ...(fencing === 'none' ? ['--no-fencing'] : [])];
        const meaning = meaningOf(tool, await rendered(tool, playground, switches));
        const theirs = playgroundMeaning(members, fencing);
        assert.deepEqual(withoutTimeouts(meaning.operations), withoutTimeouts(theirs.operations));
        const { resource, properties, meta, clone } = meaning;
        assert.deepEqual(
          { resource, properties, meta, clone },
          {
            resource: theirs.resource,
            properties: theirs.properties,
            meta: theirs.meta,
            clone: theirs.clone,
          },
        );
        // Where it says more than the playground, it says what the agent would do anyway.
        assert.deepEqual(meaning.parameters, {
          ...pick(agentDefaults(), Object.keys(meaning.parameters)),
          ...theirs.parameters,
        });
      });
    }

    it(`${tool}: has the timeouts that the agent advises, the start's from its option`, async () => {
      const meaning = meaningOf(tool, await rendered(tool, playground));
      const timeouts = Object.entries(meaning.operations).map(([key, pairs]) => [key, pairs['timeout']]);
      assert.deepEqual(Object.fromEntries(timeouts), agentTimeouts());
      const patient = meaningOf(
        tool,
        await rendered(tool, { ...playground, 'agent-start-timeout': '1h0m0.5s' }),
      );
      assert.equal(patient.operations['start 0s']?.['timeout'], '3601s');
    });

    it(`${tool}: hands every option on, by the agent's own names`, async () => {
      const { parameters } = meaningOf(tool, await rendered(tool, everything));
      assert.deepEqual(parameters, {
        node_list: members,
        etcd_endpoints: playground['etcd-endpoints'],
        etcd_namespace: '/site-a',
        etcd_user_file: '/etc/pgcm/etcd-user',
        pgdata: '/var/lib/postgresql/15/main',
        config: '/etc/postgresql/15/main/postgresql.conf',
        bindir: '/usr/lib/postgresql/15/bin',
        pgport: '5433',
        socketdir: '/run/postgresql',
        logfile: '/var/log/postgresql/postgresql-15-main.log',
        repuser: 'standby',
        conninfo_opt: 'sslmode=verify-full passfile=/var/lib/postgresql/.pgpass',
        rebuild: 'no',
        sync_mode: 'strict',
        statedir: '/srv/pgcm',
      });
    });

    it(`${tool}: the clone has the name that supervise looks for, the primitive another one`, async () => {
      const other = meaningOf(tool, await rendered(tool, { ...playground, 'pacemaker-resource': 'pgsql' }));
      assert.equal(other.resource, 'pgsql of pgsql-member');
    });
  }

  it('knows no parameter that the agent does not have, those of TLS included', async () => {
    const tls = { 'etcd-tls-ca': '/tls/ca', 'etcd-tls-cert': '/tls/cert', 'etcd-tls-key': '/tls/key' };
    const settings: AgentSettings = { ...(await load({ flags: { ...everything } })).config, ...tls };
    const parameters = agentParameters(settings).map(({ name, value }) => [name, value] as const);
    const declared = Object.keys(agentDefaults());
    assert.deepEqual(
      parameters.filter(([name]) => !declared.includes(name)),
      [],
    );
    const named = new Map(parameters);
    assert.deepEqual(
      ['etcd_cacert', 'etcd_cert', 'etcd_key'].map((name) => named.get(name)),
      ['/tls/ca', '/tls/cert', '/tls/key'],
    );
  });

  it('crm: has no comment that crmsh could not keep in XML', async () => {
    for (const switches of [[], ['--no-fencing']]) {
      const comments = (await rendered('crm', playground, switches))
        .split('\n')
        .filter((line) => line.startsWith('#'));
      assert.equal(comments.length, 1);
      assert.deepEqual(
        comments.filter((line) => line.includes('--') || line.endsWith('-')),
        [],
      );
    }
  });

  it('pcs: is put together in a file and reaches the cluster at once', async () => {
    const calls = pcsCalls(await rendered('pcs', playground)).map((words) =>
      words.filter((word) => /^(-f|cib|cib-push|set|create)$/.test(word)).join(' '),
    );
    assert.deepEqual(calls, ['cib', '-f set', '-f create', 'cib-push']);
  });

  it('names everything that is missing at once, and prints nothing', async () => {
    const { status, stdout, stderr } = await pgcm('pcs', {});
    assert.deepEqual([status, stdout], [2, '']);
    for (const name of ['cluster-members', 'postgres-data-dir', 'postgres-config-file']) {
      assert.match(stderr, new RegExp(`${name}: `));
    }
  });

  const bad: readonly (readonly [option: string, value: string])[] = [
    ['cluster-members', 'pg01=10.0.0.1'],
    ['cluster-members', 'pg01=10.0.0.1,pg01=10.0.0.2'],
    ['cluster-members', 'pg01=10.0.0.1,pg02=10.0.0.1'],
    ['cluster-members', 'pg-01=10.0.0.1,PG_01=10.0.0.2'],
    ['cluster-members', 'pg01=10.0.0.1,pg02'],
    ['cluster-members', 'pg01=10.0.0.1,pg$(id)=10.0.0.2'],
    ['cluster-members', 'pg01=10.0.0.1,pg02=localhost'],
    ['postgres-data-dir', '/srv/my data'],
    ['postgres-data-dir', 'data'],
    ['postgres-config-file', "/etc/'/postgresql.conf"],
    ['postgres-config-file', '/var/lib/postgresql/15/main/postgresql.conf'],
    ['postgres-socket-dir', '127.0.0.1'],
    ['postgres-log-file', '/var/log/$(reboot)'],
    ['postgres-bin-dir', '/usr/bin;reboot'],
    ['standby-user', 'rep user'],
    ['standby-conninfo', "sslmode='x y'"],
    ['standby-conninfo', 'sslmode'],
    ['agent-state-dir', '/srv/"x"'],
    ['agent-etcd-user-file', '/etc/`id`'],
    ['etcd-namespace', '/a b'],
    ['etcd-endpoints', "http://a'b:2379"],
    ['pacemaker-resource', 'ms Postgresql'],
    ['pacemaker-resource', '1ms'],
  ];
  for (const [option, value] of bad) {
    it(`refuses ${option} ${value}`, async () => {
      const { status, stdout, stderr } = await pgcm('pcs', { ...playground, [option]: value });
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, new RegExp(`${option}.*\\S`));
    });
  }

  it('refuses a user of etcd that the agent could not log in as', async () => {
    const password = { 'etcd-user': 'pgcm', 'etcd-password': 'x' };
    const { status, stderr } = await pgcm('crm', { ...playground, ...password });
    assert.equal(status, 2);
    assert.match(stderr, /agent-etcd-user-file/);
    const told = { ...playground, ...password, 'agent-etcd-user-file': '/etc/pgcm/etcd-user' };
    assert.equal((await pgcm('crm', told)).status, 0);
  });
});
