import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import type { NodeInspection } from '../../src/domain/inspection.js';
import type { NodeApi } from '../../src/domain/node-api.js';
import type { PublishedTopology } from '../../src/domain/switchover.js';
import { clusterStatus as statusRecord } from '../../src/records/status.js';
import { untilAborted } from '../../src/runtime/deadline.js';
import { isWell, type ClusterStatus } from '../../src/status/cluster-status.js';
import { historyText } from '../../src/status/history-text.js';
import { historyJson, statusJson } from '../../src/status/json.js';
import { clusterStatus } from '../../src/status/status.js';
import { statusText } from '../../src/status/text.js';
import { FakeEntitlements } from '../fakes/entitlements.js';
import { FakeHistory, reportOf } from '../fakes/history.js';
import { FakeLock } from '../fakes/lock.js';
import { healthyTopology } from '../fakes/manager.js';
import { FakePauseRequests } from '../fakes/pause-requests.js';
import { FakeProxyRegistry, proxyOf } from '../fakes/proxies.js';
import { FakeRoutes } from '../fakes/routes.js';

const never = new AbortController().signal;
const names = ['pg01', 'pg02', 'pg03'] as const;
const addressOf = (name: string): string => `10.77.0.1${name.slice(-1)}`;
const holder = { id: 'run-1', host: 'ops01', pid: 4711, since: '2026-01-01T00:00:00Z' };
const request = {
  id: 'run-1',
  phase: 'pause',
  release: undefined,
  duration: 25_000,
  timeout: 5_000,
} as const;

let routes: FakeRoutes;
let lock: FakeLock;
let requests: FakePauseRequests;
let proxies: FakeProxyRegistry;
let history: FakeHistory;
let topology: PublishedTopology | undefined;
let nodes: Record<string, NodeInspection | Error | 'hangs'>;

beforeEach(() => {
  routes = new FakeRoutes();
  routes.put('10.77.0.11');
  lock = new FakeLock();
  requests = new FakePauseRequests(lock);
  proxies = new FakeProxyRegistry();
  for (const id of ['app01', 'pg01']) proxies.put(proxyOf(id));
  history = new FakeHistory();
  topology = {
    systemIdentifier: '7',
    timeline: 4,
    members: names.map((name) => ({
      name,
      address: addressOf(name),
      role: name === 'pg01' ? 'primary' : 'standby',
      syncState: 'unknown',
      lag: undefined,
      up: true,
    })),
    primary: { state: 'up', name: 'pg01', since: '2026-01-01T21:00:00Z' },
  };
  nodes = Object.fromEntries(names.map((name) => [name, inspectionOf(name)]));
});

function inspectionOf(name: string, parts: Partial<NodeInspection> = {}): NodeInspection {
  const primary = name === 'pg01';
  const sender = { state: 'streaming', lag: 2_048, stale: undefined } as const;
  return {
    node: name,
    proxy: name,
    manager: { topology: healthyTopology(), obstacles: [], moves: [] },
    postgres: {
      systemIdentifier: '7',
      inRecovery: !primary,
      timeline: 4,
      receiving: !primary,
      senders: primary
        ? [
            { ...sender, name: 'pg02', address: addressOf('pg02'), syncState: 'sync' },
            { ...sender, name: 'walreceiver', address: addressOf('pg03'), syncState: 'async' },
          ]
        : [],
      transactions: [],
    },
    bouncers: [],
    problems: [],
    ...parts,
  };
}

const entitlements = new FakeEntitlements();

function look(signal = never): Promise<ClusterStatus> {
  const apis = names.map((name) => ({
    endpoint: `${name}:8080`,
    inspect: async (_timeout: number, on: AbortSignal): Promise<NodeInspection> => {
      const answer = nodes[name];
      if (answer === 'hangs') await untilAborted(on);
      if (answer instanceof Error) throw answer;
      return answer as NodeInspection;
    },
  })) as unknown as readonly NodeApi[];
  const sources = {
    routes,
    topologies: { read: () => Promise.resolve(topology) },
    proxies,
    lock,
    requests,
    history,
    entitlements,
    apis,
    etcdTimeout: 100,
    nodeTimeout: 100,
  };
  return clusterStatus(sources, () => new Date('2026-01-02T00:10:00Z'), signal);
}

describe('the status of a healthy cluster', () => {
  it('is well, with each member as its own PostgreSQL and the primary tell', async () => {
    history.reports = [reportOf('run-0')];
    const status = await look();
    assert.deepEqual([status.wrong, status.unknown, isWell(status)], [[], [], true]);
    assert.deepEqual(
      status.members.map((m) => [
        m.name,
        m.address,
        m.api,
        m.role,
        m.syncState,
        m.streaming,
        m.lag,
        m.timeline,
      ]),
      [
        ['pg01', '10.77.0.11', 'pg01:8080', 'primary', 'unknown', undefined, undefined, 4],
        ['pg02', '10.77.0.12', 'pg02:8080', 'standby', 'sync', true, 2_048, 4],
        // Its application_name tells nothing, its address does.
        ['pg03', '10.77.0.13', 'pg03:8080', 'standby', 'async', true, 2_048, 4],
      ],
    );
  });

  it("names who may be promoted, where pgcm's own agent keeps a record of it", async () => {
    assert.doesNotMatch(statusText(await look()), /Entitled/);
    entitlements.put({
      ...{ system: '7', counter: 1, primary: 'pg01', timeline: 4, claim: undefined, highest: 4 },
      entitled: new Map([
        ['pg02', 2n],
        ['pg01', 1n],
      ]),
    });
    try {
      assert.match(statusText(await look()), /^Entitled pg01, pg02 may be promoted$/m);
    } finally {
      entitlements.put(undefined);
    }
  });

  it('says why nobody is promoted where standbys are up that may not be', async () => {
    const waiting = healthyTopology();
    const manager = {
      ...{ obstacles: [], moves: [] },
      topology: {
        ...waiting,
        primary: { kind: 'none', why: 'nobody is promoted' } as const,
        members: waiting.members.map((one) =>
          one.name === 'pg03' ? one : { ...one, role: 'stopped' as const, online: false },
        ),
      },
    };
    nodes = Object.fromEntries(names.map((name) => [name, inspectionOf(name, { manager })]));
    const entitle = (...who: readonly string[]): void =>
      entitlements.put({
        ...{ system: '7', counter: 1, primary: 'pg01', timeline: 4, claim: undefined, highest: 4 },
        entitled: new Map(who.map((name) => [name, 1n])),
      });
    const why = /nobody is promoted, as nobody is up who has every acknowledged commit \(pg01, pg02\)/;
    try {
      entitle('pg02', 'pg01');
      assert.match((await look()).wrong.join('\n'), why);
      entitle('pg02', 'pg01', 'pg03');
      assert.doesNotMatch((await look()).wrong.join('\n'), /every acknowledged commit/);
    } finally {
      entitlements.put(undefined);
    }
  });

  it('is a table of at most 100 columns for people', async () => {
    history.reports = [reportOf('run-0')];
    const text = statusText(await look());
    assert.match(text, /^Route {4}10\.77\.0\.11 \(pg01\), for 3h10m$/m);
    assert.match(text, /^Lock {5}free$/m);
    assert.match(text, /^pg02 +10\.77\.0\.12 +standby +sync +streaming +2 kB +4 +pg02:8080$/m);
    assert.match(text, /^app01 +app01 +10\.77\.0\.11 \(current\) +running +0 +1 of 1$/m);
    assert.match(text, /^ {2}2026-01-01 00:00:00 +done \(0\) +pg01 -> pg02 +paused for 2\.7 s$/m);
    assert.match(text, /\nAll is well\.\n$/);
    for (const line of text.split('\n')) assert.ok(line.length <= 100, line);
  });

  it('is a document that its own schema understands', async () => {
    history.reports = [reportOf('run-0')];
    lock.take(holder);
    requests.put(request);
    const json = statusRecord.parse(Buffer.from(statusJson(await look())), 'stdout');
    assert.equal(json.well, true);
    assert.deepEqual(json.route, { address: '10.77.0.11', revision: '1', since: '2026-01-01T21:00:00Z' });
    assert.deepEqual(json.lock?.holder, holder);
    assert.equal(json.request?.duration_ms, 25_000);
    assert.equal(json.members[1]?.lag_bytes, 2_048);
    assert.equal(json.history?.[0]?.id, 'run-0');
  });

  it('knows since when the route stands from the last switchover, too', async () => {
    topology = undefined;
    history.reports = [reportOf('b', { outcome: 'refused', status: 3 }), reportOf('a')];
    assert.equal((await look()).route?.since, undefined, 'the last one moved it elsewhere');
    routes.put('10.77.0.12');
    assert.equal((await look()).route?.since, '2026-01-01T00:00:03.000Z');
  });
});

describe('what is wrong', () => {
  const cases: readonly (readonly [string, () => void, RegExp])[] = [
    ['no route', () => routes.remove(), /no route is published/],
    ['a route that is no address', () => routes.putBad('"x" is no address'), /is no address: "x"/],
    [
      'clients led elsewhere',
      () => {
        const route = { address: '10.77.0.13', revision: routes.put('10.77.0.13'), appliedAt: '' };
        for (const id of ['app01', 'pg01']) proxies.put(proxyOf(id, { route }));
      },
      /clients are led to 10\.77\.0\.13, but the primary is pg01 \(10\.77\.0\.11\)/,
    ],
    [
      'two servers that take writes',
      () => (nodes['pg02'] = inspectionOf('pg01', { node: 'pg02' })),
      /more than one PostgreSQL is not in recovery: pg01, pg02/,
    ],
    [
      'an obstacle',
      () => {
        const obstacle = { kind: 'ban', text: 'cli-ban-x on pg02', wayOut: 'crm_resource --clear' } as const;
        const manager = { topology: healthyTopology(), obstacles: [obstacle], moves: [] };
        for (const name of names) nodes[name] = inspectionOf(name, { manager });
      },
      /^cli-ban-x on pg02: crm_resource --clear$/,
    ],
    [
      'a move that is left',
      () => {
        nodes['pg01'] = inspectionOf('pg01', {
          manager: { topology: healthyTopology(), obstacles: [], moves: ['run-0'] },
        });
      },
      /a move of switchover run-0 is left.*pgcm cleanup/,
    ],
    ['a request that is left', () => requests.put(request), /a pause request of switchover run-1 is left/],
    [
      'a proxy that is paused for nobody',
      () => proxies.put(proxyOf('app01', { pause: { kind: 'paused', request: 'run-0' } })),
      /^proxy app01: holds its clients for switchover run-0, which does not run any more/,
    ],
    [
      'a proxy on an old route',
      () => {
        routes.put('10.77.0.11');
        proxies.put(proxyOf('pg01', { route: { address: '10.77.0.11', revision: 2n, appliedAt: '' } }));
      },
      /^proxy app01: leads to 10\.77\.0\.11 \(revision 1\), not to 10\.77\.0\.11$/,
    ],
    [
      'a proxy that holds its clients',
      () => proxies.put(proxyOf('app01', { hold: { kind: 'held', why: 'nothing listens at 10.77.0.11' } })),
      /^proxy app01: its clients wait, .* takes none \(nothing listens at 10\.77\.0\.11\): see `crm_mon -1rf`/,
    ],
    [
      'a proxy whose hold is over',
      () => proxies.put(proxyOf('app01', { hold: { kind: 'over', why: 'nothing listens at 10.77.0.11' } })),
      /^proxy app01: its clients waited for hold-timeout in vain.*errors \(nothing listens .*\): see `crm_mon -1rf`/,
    ],
    [
      "a proxy's error",
      () => proxies.put(proxyOf('app01', { error: 'the template is gone' })),
      /^proxy app01: the template is gone$/,
    ],
    [
      'a proxy that vanished',
      () => proxies.remove('app01'),
      /^proxy app01 \(on app01, .* is gone.*--forget-proxy app01/,
    ],
  ];
  for (const [what, break_, expected] of cases) {
    it(`names ${what}, and nothing else`, async () => {
      break_();
      const { wrong, unknown } = await look();
      assert.deepEqual(unknown, []);
      assert.equal(wrong.length, 1, wrong.join('\n'));
      assert.match(wrong[0] ?? '', expected);
    });
  }

  for (const [kind, shown] of [
    ['held', 'held: no primary'],
    ['over', 'held too long'],
  ] as const) {
    it(`a hold that is ${kind} shows beside its proxy, and in the document with why`, async () => {
      const why = 'nothing listens at 10.77.0.11';
      proxies.put(proxyOf('app01', { hold: { kind, why } }));
      const status = await look();
      const text = statusText(status);
      assert.match(
        text,
        new RegExp(`^app01 +app01 +10\\.77\\.0\\.11 \\(current\\) +${shown} +0 +1 of 1$`, 'm'),
      );
      assert.match(text, /\nWrong\n {2}proxy app01: its clients .*nothing listens/);
      assert.doesNotMatch(text, /All is well/);
      // The exit status goes by this one.
      assert.equal(isWell(status), false);
      const json = statusRecord.parse(Buffer.from(statusJson(status)), 'stdout');
      assert.equal(json.well, false);
      assert.deepEqual(json.proxies?.[0]?.hold, { kind, why });
      assert.equal(json.wrong.length, 1);
    });
  }

  it('is not what a running failover does', async () => {
    lock.take(holder);
    requests.put(request);
    proxies.put(proxyOf('app01', { pause: { kind: 'paused', request: 'run-1' } }));
    const manager = { topology: healthyTopology(), obstacles: [], moves: ['run-1'] };
    for (const name of names) nodes[name] = inspectionOf(name, { manager });
    const status = await look();
    assert.deepEqual(status.wrong, []);
    assert.match(statusText(status), /^Lock {5}held by switchover run-1 on ops01, pid 4711, for 1d0h$/m);
    assert.match(statusText(status), /^Moves {4}asked for by switchover run-1$/m);
  });

  it('shows in the text, on lines of its own and without control characters', async () => {
    proxies.put(proxyOf('app01', { error: 'bad\u001b[31m\nthing' }));
    const text = statusText(await look());
    assert.match(text, /\nWrong\n {2}proxy app01: bad \[31m thing\n$/);
  });
});

describe('what is not known', () => {
  it('is said of a node that does not answer, or not in time', async () => {
    nodes['pg02'] = new PgcmError('unavailable', 'pg02:8080: connection refused');
    nodes['pg03'] = 'hangs';
    const status = await look();
    assert.equal(status.unknown.length, 2);
    assert.match(status.unknown.join('\n'), /pg02:8080: connection refused/);
    assert.match(status.unknown.join('\n'), /pg03:8080: no answer within 100ms/);
    assert.deepEqual([isWell(status), status.members.length], [false, 3]);
  });

  it('is everything in etcd when etcd is away; what the nodes say is shown all the same', async () => {
    const failure = new PgcmError('unavailable', 'etcd: no member answers');
    for (const store of [routes, lock, requests, proxies, history]) store.failure = failure;
    const status = await look();
    assert.deepEqual(status.unknown, [
      'the route, the proxies, the proxies that have vanished, the history, the failover lock, the pause request: ' +
        'etcd: no member answers',
    ]);
    assert.equal(status.vanished.length, 0);
    const text = statusText(status);
    assert.match(text, /^Route {4}not known$/m);
    assert.match(text, /^Proxies {2}not known$/m);
    assert.match(text, /^Last failovers {2}not known$/m);
    assert.match(text, /^pg01 /m);
    assert.match(text, /\nNot known\n/);
    assert.doesNotMatch(text, /All is well/);
  });

  it('is a lock that could not be read: it is not said to be free', async () => {
    lock.failure = new PgcmError('unavailable', 'etcd: no member answers');
    assert.match(statusText(await look()), /^Lock {5}not known$/m);
  });

  it('is what a node itself could not find out', async () => {
    nodes['pg03'] = inspectionOf('pg03', { problems: ['pacemaker: crm_mon: not found'], manager: undefined });
    assert.deepEqual((await look()).unknown, ['pg03:8080: pacemaker: crm_mon: not found']);
  });

  it('ends with the signal', async () => {
    for (const name of names) nodes[name] = 'hangs';
    await assert.rejects(look(AbortSignal.abort(new PgcmError('aborted', 'SIGINT'))), /SIGINT/);
  });
});

describe('the history', () => {
  it('shows each report with its steps, failures and findings', () => {
    const finding = {
      weight: 'overridable',
      kind: 'blocker',
      subject: 'pid 7',
      text: 'open for 1m',
      wayOut: 'end it',
    };
    const failed = reportOf('run-9', {
      outcome: 'rolledBack',
      status: 4,
      message: 'nothing was moved',
      steps: [
        { name: 'check', ms: 80, error: '' },
        { name: 'pause', ms: 5_000, error: 'app01: a transaction is open' },
      ],
      findings: [finding as never],
      longestWait: 4_900,
    });
    const text = historyText({
      reports: [failed, reportOf('run-8')],
      problems: ['/pgcm/history/x is no report'],
    });
    assert.match(text, /^2026-01-01T00:00:00\.000Z {2}rolledBack \(exit status 4\) {2}pg01 -> pg02$/m);
    assert.match(text, /clients paused for 2\.7 s, the longest wait was 4\.9 s/);
    assert.match(text, /^ {2}check 80 ms, pause 5\.0 s$/m);
    assert.match(text, /^ {2}failed: pause: app01: a transaction is open$/m);
    assert.match(text, /^ {2}overridable \(blocker\): pid 7 open for 1m: end it$/m);
    assert.match(text, /not understood: \/pgcm\/history\/x/);
    assert.match(
      historyText({ reports: [{ ...failed, forced: true }], problems: [] }),
      /overridden by --force \(blocker\)/,
    );
    assert.ok(text.indexOf('run-9') < text.indexOf('run-8'));
  });

  it('is one JSON document, and words when there is none', () => {
    const json = JSON.parse(historyJson({ reports: [reportOf('a')], problems: [] })) as {
      reports: unknown[];
    };
    assert.equal(json.reports.length, 1);
    assert.equal(historyText({ reports: [], problems: [] }), 'There are no reports of failovers.\n');
  });
});
