import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeInspection, OpenTransaction, WalSender } from '../../src/domain/inspection.js';
import type { Finding, ProxyState, SwitchoverReport } from '../../src/domain/switchover.js';
import type { PartHealth } from '../../src/domain/node-api.js';
import type { SwitchoverOptions } from '../../src/failover/context.js';
import type { Facts } from '../../src/failover/facts.js';
import { findingsOf, refusing } from '../../src/failover/findings/all.js';
import { healthyFacts, withInspection, withNode } from '../fakes/facts.js';
import { reportOf } from '../fakes/history.js';
import { proxyOf } from '../fakes/proxies.js';

interface Case {
  readonly what: string;
  readonly change?: (facts: Facts) => Facts;
  readonly options?: Partial<SwitchoverOptions>;
  /** weight, kind, subject; what its text says. */
  readonly finds: readonly [Finding['weight'], string, string, RegExp];
}

const manager =
  (name: string, parts: Partial<NonNullable<NodeInspection['manager']>>) =>
  (facts: Facts): Facts =>
    withInspection(facts, name, (found) => ({
      ...found,
      manager: found.manager && { ...found.manager, ...parts },
    }));

const topology = (name: string, parts: object): ((facts: Facts) => Facts) => {
  return (facts) =>
    withInspection(facts, name, (found) => ({
      ...found,
      manager: found.manager && { ...found.manager, topology: { ...found.manager.topology, ...parts } },
    }));
};

const sender =
  (name: string, parts: Partial<WalSender>) =>
  (facts: Facts): Facts =>
    withInspection(facts, 'pg01', (found) => ({
      ...found,
      postgres: found.postgres && {
        ...found.postgres,
        senders: found.postgres.senders.map((one) => (one.name === name ? { ...one, ...parts } : one)),
      },
    }));

const transaction =
  (parts: Partial<OpenTransaction>) =>
  (facts: Facts): Facts =>
    withInspection(facts, 'pg01', (found) => ({
      ...found,
      postgres: found.postgres && { ...found.postgres, transactions: [{ ...open, ...parts }] },
    }));

const ill =
  (parts: readonly PartHealth[]) =>
  (facts: Facts): Facts =>
    withNode(facts, 'pg03', (node) => ({
      ...node,
      health: { kind: 'answer', value: { healthy: false, node: 'pg03', parts } },
    }));

const open: OpenTransaction = {
  pid: 4711,
  user: 'app',
  database: 'shop',
  application: 'batch',
  address: '10.77.0.101',
  age: 10,
  state: 'active',
  query: 'UPDATE stock',
};

const proxies =
  (...states: readonly ProxyState[]) =>
  (facts: Facts): Facts => ({
    ...facts,
    proxies: { kind: 'answer', value: { proxies: states, problems: [] } },
  });

const seen =
  (id: string, host: string) =>
  (facts: Facts): Facts => ({
    ...facts,
    seen: { kind: 'answer', value: [{ id, host, since: '2026-01-01T00:00:00Z' }] },
  });

const history =
  (...reports: readonly SwitchoverReport[]) =>
  (facts: Facts): Facts => ({ ...facts, history: { kind: 'answer', value: { reports, problems: [] } } });

const released = { name: 'release', ms: 70, error: '' };

const bouncer = (parts: object): ProxyState =>
  proxyOf('app01', { bouncers: [{ ...proxyOf('x').bouncers[0], name: '6432', ...parts } as never] });

const obstacles = (
  ['maintenance', 'failed-action', 'pending-action', 'preference', 'ban', 'unclean-node'] as const
).map((kind): Case => ({
  what: `an obstacle in the cluster manager: ${kind}`,
  change: manager('pg03', { obstacles: [{ kind, text: `it is ${kind}`, wayOut: 'run this' }] }),
  finds: ['forbids', kind, '', new RegExp(`it is ${kind}`)],
}));

const families: Readonly<Record<string, readonly Case[]>> = {
  nodes: [
    {
      what: 'a part of a node is ill',
      change: (facts) =>
        withNode(facts, 'pg03', (node) => ({
          ...node,
          health: {
            kind: 'answer',
            value: {
              healthy: false,
              node: 'pg03',
              parts: [{ part: 'etcd', healthy: false, message: 'silent' }],
            },
          },
        })),
      finds: ['forbids', 'unhealthy', 'pg03', /etcd: silent/],
    },
    {
      what: 'a node that says it is ill, and not what of',
      change: ill([]),
      finds: ['forbids', 'unhealthy', 'pg03', /not which part/],
    },
    {
      what: 'a part of a node that this program does not know',
      change: ill([{ part: 'disk', healthy: false, message: 'full' }]),
      finds: ['forbids', 'unhealthy', 'pg03', /disk: full/],
    },
    {
      what: "a node's PgBouncer is down",
      change: (facts) =>
        withNode(facts, 'pg03', (node) => ({
          ...node,
          health: {
            kind: 'answer',
            value: {
              healthy: false,
              node: 'pg03',
              parts: [{ part: 'pgbouncer', healthy: false, message: 'no' }],
            },
          },
        })),
      finds: ['overridable', 'bouncer-silent', 'pg03', /pgbouncer: no/],
    },
    {
      what: 'a node does not answer',
      change: (facts) =>
        withNode(facts, 'pg03', (node) => ({
          ...node,
          health: { kind: 'failure', error: 'connection refused', why: 'restarting' },
        })),
      finds: ['forbids', 'unreachable', 'pg03', /connection refused/],
    },
    {
      what: 'a node of an older program cannot be inspected',
      change: (facts) =>
        withNode(facts, 'pg03', (node) => ({
          ...node,
          inspection: { kind: 'failure', error: 'unimplemented', why: 'unsupported' },
        })),
      finds: ['forbids', 'not-inspected', 'pg03', /cannot be told/],
    },
  ],
  'the cluster manager': [
    {
      what: 'no quorum',
      change: topology('pg03', { quorum: false }),
      finds: ['forbids', 'no-quorum', 'pg03', /quorum/],
    },
    {
      what: 'two nodes name two primaries',
      change: topology('pg03', { primary: { kind: 'one', name: 'pg03' } }),
      finds: ['forbids', 'two-primaries', '', /pg01, pg03/],
    },
    {
      what: 'the move of a dead run',
      change: manager('pg02', { moves: ['dead'] }),
      finds: ['forbids', 'leftover-move', '', /switchover dead/],
    },
    ...obstacles,
  ],
  replication: [
    {
      what: 'the standby lags',
      change: sender('pg02', { lag: 17 * 1_024 ** 2 }),
      finds: ['forbids', 'lag', 'pg02', /17825792 bytes/],
    },
    {
      what: 'it is not known how far the standby is',
      change: sender('pg02', { lag: undefined }),
      finds: ['forbids', 'lag', 'pg02', /has not said/],
    },
    {
      what: 'the standby is not streaming',
      change: sender('pg02', { state: 'catchup' }),
      finds: ['forbids', 'no-sync-standby', 'pg02', /catchup/],
    },
    {
      what: 'commits do not wait for the standby, whatever the cluster manager says',
      change: sender('pg02', { syncState: 'async' }),
      finds: ['forbids', 'no-sync-standby', 'pg02', /do not wait/],
    },
    {
      what: "another host connects under the standby's name",
      change: sender('pg02', { address: '10.77.0.99' }),
      finds: ['forbids', 'no-sync-standby', 'pg02', /10\.77\.0\.99/],
    },
    {
      what: 'a walsender is stale, even an asynchronous one',
      change: sender('pg03', { stale: 'no reply for 40s' }),
      finds: ['forbids', 'stale-walsender', 'pg03', /no reply for 40s/],
    },
    {
      what: 'the standby says itself that it receives nothing',
      change: (facts) =>
        withInspection(facts, 'pg02', (found) => ({
          ...found,
          postgres: found.postgres && { ...found.postgres, receiving: false },
        })),
      finds: ['forbids', 'no-sync-standby', 'pg02', /receives nothing/],
    },
    {
      what: '--to a member that is not safe',
      options: { to: 'pg03' },
      finds: ['forbids', 'not-a-candidate', 'pg03', /not synchronous/],
    },
    {
      what: '--to a member that is not safe, when no other one is either',
      options: { to: 'pg03' },
      change: sender('pg02', { state: 'catchup' }),
      finds: ['forbids', 'not-a-candidate', 'pg03', /not synchronous/],
    },
    {
      what: '--to nobody',
      options: { to: 'pg09' },
      finds: ['forbids', 'not-a-candidate', 'pg09', /no member/],
    },
    {
      what: '--to the primary',
      options: { to: 'pg01' },
      finds: ['forbids', 'not-a-candidate', 'pg01', /already/],
    },
  ],
  etcd: [
    {
      what: 'no route is published',
      change: (facts) => ({ ...facts, route: { kind: 'answer', value: { kind: 'missing', revision: 0n } } }),
      finds: ['forbids', 'no-route', '', /no primary is published/],
    },
    {
      what: 'the proxies cannot be read',
      change: (facts) => ({ ...facts, proxies: { kind: 'failure', error: 'etcd: silent', why: 'other' } }),
      finds: ['forbids', 'etcd-silent', '', /etcd: silent/],
    },
    {
      what: "another run's lock: who, and since when",
      change: (facts) => ({
        ...facts,
        lock: {
          kind: 'answer',
          value: {
            holder: { id: 'other', host: 'ops1', pid: 7, since: '2026-01-01T00:00:00Z' },
            revision: 9n,
            key: '/master/1',
          },
        },
      }),
      finds: ['forbids', 'lock-held', '', /other on ops1, pid 7, since 2026-01-01/],
    },
    {
      what: 'the history cannot be read',
      change: (facts) => ({ ...facts, history: { kind: 'failure', error: 'etcd: silent', why: 'other' } }),
      finds: ['forbids', 'etcd-silent', '', /etcd: silent/],
    },
    {
      what: 'no history: what is missing, and how long clients wait at most',
      change: history(),
      options: { pauseExpiry: 25_000 },
      finds: [
        'overridable',
        'no-history',
        '',
        /^no switchover .*cannot be told: at most 25s, by pause-expiry$/,
      ],
    },
    {
      what: 'no history, and a pause without an end',
      change: history(),
      options: { pauseExpiry: 'never' },
      finds: ['overridable', 'no-history', '', /without a limit/],
    },
    {
      what: 'a history in which no run moved the primary',
      change: history(
        reportOf('rolled-back', { status: 4, steps: [{ name: 'pause', ms: 5_000, error: 'app01: open' }] }),
        reportOf('gave-up', {
          status: 5,
          steps: [{ name: 'migrate', ms: 25_000, error: 'no writes' }, released],
        }),
        reportOf('not-begun', { status: 6, steps: [{ name: 'migrate', ms: 1, error: 'lost' }, released] }),
        reportOf('unpaused', { pause: 0 }),
      ),
      finds: ['overridable', 'no-history', '', /no switchover that moved the primary/],
    },
    {
      what: 'a history that is not understood',
      change: (facts) => ({
        ...facts,
        history: { kind: 'answer', value: { reports: [], problems: ['/pgcm/history/x is no report'] } },
      }),
      finds: ['overridable', 'no-history', '', /not understood: 1, such as \/pgcm\/history\/x/],
    },
  ],
  bouncers: [
    {
      what: 'a proxy on an older route',
      change: proxies(
        proxyOf('app01', {
          route: { address: '10.77.0.11', revision: 0n, appliedAt: '2026-01-01T00:00:00Z' },
        }),
      ),
      finds: ['overridable', 'stale-proxy', 'app01', /revision 0/],
    },
    {
      what: 'a proxy in trouble',
      change: proxies(proxyOf('app01', { error: 'the template is missing' })),
      finds: ['overridable', 'stale-proxy', 'app01', /template is missing/],
    },
    {
      what: "a proxy's bouncer does not answer",
      change: proxies(bouncer({ error: 'nothing listens there' })),
      finds: ['overridable', 'bouncer-silent', 'app01', /nothing listens/],
    },
    {
      what: 'session pooling',
      change: proxies(bouncer({ sessionPooled: ['shop'] })),
      finds: ['overridable', 'session-pooling', 'app01', /shop/],
    },
    {
      what: 'query_wait_timeout shorter than pause-expiry',
      change: proxies(bouncer({ queryWaitTimeout: 4_000 })),
      finds: ['overridable', 'query-wait-timeout', 'app01', /4s.*5s/],
    },
    {
      what: 'a proxy that was seen and has vanished',
      change: proxies(),
      finds: ['notice', 'vanished-proxy', 'app01', /not registered now.*would not be paused/],
    },
    {
      what: 'one that has vanished from a Postgres node: its clients would be paused, and led by nobody',
      change: seen('pg03-proxy', 'PG03.example.org'),
      finds: ['overridable', 'vanished-proxy', 'pg03-proxy', /supervise would pause.*all of pause-expiry/],
    },
    {
      what: 'one that has vanished from a Postgres node where another proxy runs now',
      change: (facts) =>
        withInspection(seen('old', 'pg03')(facts), 'pg03', (found) => ({ ...found, proxy: 'app01' })),
      finds: ['notice', 'vanished-proxy', 'old', /not registered now/],
    },
    {
      what: 'a proxy that holds its clients: from its host there is no primary',
      change: proxies(proxyOf('app01', { hold: { kind: 'held', why: 'no answer within 1s' } })),
      finds: ['overridable', 'clients-held', 'app01', /holds its clients.*no answer within 1s/],
    },
    {
      what: 'a proxy that has held its clients for too long',
      change: proxies(proxyOf('app01', { hold: { kind: 'over', why: 'connection refused' } })),
      finds: ['overridable', 'clients-held', 'app01', /run into errors.*connection refused/],
    },
  ],
  blockers: [
    {
      what: 'a transaction older than pause-timeout',
      change: transaction({ age: 61_000 }),
      finds: ['overridable', 'blocker', 'pg01', /pid 4711 \(user app.*1m1s, active: UPDATE stock/],
    },
    {
      what: 'one that is idle in transaction',
      change: transaction({ state: 'idle in transaction', age: 1_500 }),
      options: { pauseTimeout: 5_000 },
      finds: ['overridable', 'blocker', 'pg01', /idle in transaction/],
    },
    {
      what: 'one that will be ended',
      change: transaction({ age: 61_000 }),
      options: { terminateBlockers: 30_000 },
      finds: ['notice', 'blocker', 'pg01', /is ended before the pause/],
    },
  ],
};

for (const [family, cases] of Object.entries(families)) {
  describe(`findings about ${family}`, () => {
    for (const { what, change, options, finds } of cases) {
      it(what, async () => {
        const healthy = await healthyFacts();
        const facts = change === undefined ? healthy.facts : change(healthy.facts);
        const [weight, kind, subject, text] = finds;
        const found = findingsOf(facts, { ...healthy.options, ...options }, 'test');
        const one = found.find((finding) => finding.kind === kind && finding.subject === subject);
        assert.ok(one, `no ${kind} about "${subject}" in ${JSON.stringify(found)}`);
        assert.equal(one.weight, weight);
        assert.match(one.text, text);
        if (weight !== 'notice') assert.notEqual(one.wayOut, '', 'it says no way out');
      });
    }
  });
}

describe('findings', () => {
  it('a healthy cluster has none that refuse', async () => {
    const { facts, options } = await healthyFacts();
    assert.deepEqual(refusing(findingsOf(facts, options, 'test'), { force: false }), []);
  });

  it('its own lock and its own move are no obstacle to a run', async () => {
    const { facts, options } = await healthyFacts();
    const own = manager('pg01', { moves: ['test'] })({
      ...facts,
      lock: {
        kind: 'answer',
        value: { holder: { id: 'test', host: 'x', pid: 1, since: '' }, revision: 1n, key: '/master/1' },
      },
    });
    assert.deepEqual(refusing(findingsOf(own, options, 'test'), { force: false }), []);
  });

  it('--to without a safe member says what to do next', async () => {
    const { facts, options } = await healthyFacts();
    const none = sender('pg02', { state: 'catchup' })(facts);
    const [refusal] = findingsOf(none, { ...options, to: 'pg03' }, 'test');
    assert.match(refusal?.wayOut ?? '', /no other member is safe now: bring .*--dry-run/);
  });

  it('short transactions and a small lag are no finding', async () => {
    const { facts, options } = await healthyFacts();
    const busy = transaction({ age: 900, state: 'idle in transaction' })(
      sender('pg02', { lag: 1_000 })(facts),
    );
    assert.deepEqual(refusing(findingsOf(busy, options, 'test'), { force: false }), []);
  });

  it('one switchover that moved the primary is a history, whatever became of its clean-up and of other runs', async () => {
    const { facts, options } = await healthyFacts();
    const refused = reportOf('refused', {
      status: 3,
      pause: 0,
      steps: [{ name: 'check', ms: 1, error: 'x' }],
    });
    for (const one of [reportOf('done'), reportOf('rejoin-left', { status: 6, outcome: 'cleanup-left' })]) {
      const found = findingsOf(history(refused, one)(facts), options, 'test');
      assert.deepEqual(
        found.filter(({ kind }) => kind === 'no-history'),
        [],
      );
    }
  });

  it('no history is told only when it is known that there is none', async () => {
    const { facts, options } = await healthyFacts();
    const unread: Facts = { ...facts, history: { kind: 'failure', error: 'etcd: silent', why: 'other' } };
    const kinds = refusing(findingsOf(unread, options, 'test'), { force: true }).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['etcd-silent']);
  });

  it('--force overrides what risks only waiting, and nothing else', async () => {
    const { facts, options } = await healthyFacts();
    const both = transaction({ age: 61_000 })(sender('pg03', { stale: 'no reply' })(facts));
    const found = findingsOf(both, options, 'test');
    const kinds = (force: boolean): readonly string[] => refusing(found, { force }).map(({ kind }) => kind);
    assert.deepEqual(kinds(false), ['stale-walsender', 'blocker']);
    assert.deepEqual(kinds(true), ['stale-walsender']);
  });
});
