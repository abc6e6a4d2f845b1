import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { Topology } from '../../src/domain/cluster.js';
import { hasCode, PgcmError, type ErrorCode } from '../../src/domain/errors.js';
import type { PostgresInspection, WalSender } from '../../src/domain/inspection.js';
import type { Mandate, MandateCheck } from '../../src/domain/mandate.js';
import type { Postgres } from '../../src/domain/postgres.js';
import { sleep } from '../../src/runtime/deadline.js';
import { Addresses } from '../../src/supervise/addresses.js';
import { LocalBouncers } from '../../src/supervise/local-bouncers.js';
import { MandateGate } from '../../src/supervise/mandate-gate.js';
import { SuperviseNode } from '../../src/supervise/node-service.js';
import type { Rejoin } from '../../src/supervise/rejoin.js';
import { FakeBouncer } from '../fakes/bouncer.js';
import { FakeLog } from '../fakes/log.js';
import { FakeManager, healthyTopology, member } from '../fakes/manager.js';
import { FakeNode, inspection, mandate } from '../fakes/node.js';
import { FakeRoutes } from '../fakes/routes.js';

const database = { host: '10.77.0.11', port: 5432, paused: false };

const never = new AbortController().signal;

const sender = (name: string, rest: Partial<WalSender> = {}): WalSender => ({
  name,
  address: undefined,
  state: 'streaming',
  syncState: 'sync',
  lag: 0,
  stale: undefined,
  ...rest,
});

class FakePostgres implements Postgres {
  readonly done: string[] = [];
  found: PostgresInspection = { ...must(inspection().postgres), senders: [sender('pg02')] };

  state = () => Promise.resolve({ inRecovery: this.found.inRecovery });
  probe = () =>
    Promise.resolve({ inRecovery: this.found.inRecovery, timeline: 7, takesWrites: !this.found.inRecovery });
  replication = () => Promise.resolve({ receiving: true, lag: 0 });
  senders = () => Promise.resolve(this.found.senders);
  inspect = () => Promise.resolve(this.found);
  checkpoint = () => this.#do('checkpoint', undefined);
  terminate = (olderThan: number) =>
    this.#do(`terminate ${olderThan}`, [{ pid: 1, user: 'app', age: olderThan }]);
  dataDirectory = () => Promise.resolve('/data');

  #do<T>(what: string, answer: T): Promise<T> {
    this.done.push(what);
    return Promise.resolve(answer);
  }
}

/** The lock: held by one switchover, or by nobody. */
class FakeCheck implements MandateCheck {
  owner: Mandate | undefined = mandate;
  verified = 0;
  /** How long a read takes, once. */
  slow = 0;
  /** What happens during a read. */
  meanwhile: () => void = () => undefined;

  async verify(asked: Mandate | undefined, signal: AbortSignal): Promise<void> {
    this.verified += 1;
    const ms = this.slow;
    this.slow = 0;
    const { owner } = this;
    if (ms > 0) await sleep(ms, signal);
    this.meanwhile();
    if (asked?.switchover !== owner?.switchover) throw new PgcmError('lock-lost', 'somebody else holds it');
  }
}

function must<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

const isCode = (code: ErrorCode) => (error: unknown) => hasCode(error, code);

describe('the node behind the failover API', () => {
  let manager: FakeManager;
  let postgres: FakePostgres;
  let check: FakeCheck;
  let proxy: FakeNode;
  let proxyRuns: boolean;
  let keeper: { paused: boolean; pause: () => Promise<void>; resume: () => Promise<void> };
  let kept: string[];
  let recent: Topology | undefined;
  let expected: number;
  let demotions: number;
  let waited: number;
  let prepared: Mandate[];
  let node: SuperviseNode;

  beforeEach(() => {
    manager = new FakeManager();
    postgres = new FakePostgres();
    check = new FakeCheck();
    proxy = new FakeNode();
    proxyRuns = true;
    kept = [];
    recent = undefined;
    expected = 0;
    demotions = 0;
    waited = 0;
    prepared = [];
    keeper = {
      paused: false,
      pause: () => Promise.resolve(void kept.push('pause')),
      resume: () => Promise.resolve(void kept.push('resume')),
    };
    const reach = <T>(ask: () => Promise<T>): Promise<T> =>
      proxyRuns ? ask() : Promise.reject(new PgcmError('unavailable', 'nothing listens there'));
    const bouncers = new LocalBouncers({
      proxy: {
        healthCheck: () => reach(() => proxy.healthCheck()),
        pause: (order) => reach(() => proxy.pause(order, undefined)),
        resume: (target, timeout) => reach(() => proxy.resume(target, timeout, undefined)),
      },
      keeper,
      bouncers: [
        new FakeBouncer([
          { ...database, name: 'shop', poolMode: 'session' },
          { ...database, name: 'other' },
          { ...database, name: 'standby', host: '10.77.0.13', poolMode: 'session' },
        ]),
      ],
      primary: () => parseAddress(database.host),
    });
    node = new SuperviseNode({
      manager,
      localName: () => manager.localName(),
      addresses: new Addresses(manager),
      recentLook: () => recent,
      routes: new FakeRoutes(),
      bouncers,
      postgres,
      gate: new MandateGate(check, 3_000),
      onPrepared: (served) => prepared.push(served),
      onDemotion: () => void (demotions += 1),
      rejoin: { run: (_order, pass) => pass().then(() => ({ kind: 'streaming', already: false })) } as Pick<
        Rejoin,
        'run'
      > as Rejoin,
      promotion: {
        expect: () => void (expected += 1),
        happened: (ms) => {
          waited = ms;
          return Promise.resolve({ inRecovery: false, timeline: 9, takesWrites: true });
        },
      },
      log: new FakeLog(),
    });
  });

  const order = { timeout: 100, expiry: 1_000 };
  const acts: Record<string, (on: Mandate) => Promise<unknown>> = {
    pause: (on) => node.pause(order, on, never),
    resume: (on) => node.resume(undefined, 100, on, never),
    migrate: (on) => node.migrate(undefined, on, never),
    unmigrate: (on) => node.unmigrate(on, never),
    checkpoint: (on) => node.checkpoint(on, never),
    terminate: (on) => node.terminate({ olderThan: 30_000 }, on, never),
    rejoin: (on) =>
      manager
        .addressOf('pg02')
        .then((address) => node.rejoin({ primary: { name: 'pg02', address }, timeout: 100 }, on, never)),
  };

  const deeds = (): unknown[] => [...proxy.calls, ...kept, ...manager.moved, ...postgres.done];

  for (const [name, act] of Object.entries(acts)) {
    it(`${name}: does it for who holds the lock, and nothing for who has lost it`, async () => {
      await act(mandate);
      const before = deeds().length;
      check.owner = { ...mandate, switchover: 'another' };
      manager.preferences.push(mandate.switchover);
      await assert.rejects(act(mandate), isCode('lock-lost'));
      assert.equal(deeds().length, before);
      assert.ok(manager.preferences.includes(mandate.switchover));
    });
  }

  it('tells of the switchover that prepares its primary, once it has verified it', async () => {
    check.owner = { ...mandate, switchover: 'another' };
    await assert.rejects(node.checkpoint(mandate, never), isCode('lock-lost'));
    assert.deepEqual(prepared, []);
    check.owner = mandate;
    await node.checkpoint(mandate, never);
    assert.deepEqual(prepared, [mandate]);
  });

  it('tells of the switchover that moves its primary too, as there may have been no checkpoint', async () => {
    check.owner = { ...mandate, switchover: 'another' };
    await assert.rejects(node.migrate(undefined, mandate, never), isCode('lock-lost'));
    assert.deepEqual(prepared, []);
    check.owner = mandate;
    // Before the move: this process may die with it.
    manager.move = () => {
      assert.deepEqual(prepared, [mandate]);
      return Promise.resolve();
    };
    await node.migrate(undefined, mandate, never);
    manager.local = 'pg03';
    await node.migrate(undefined, mandate, never);
    assert.deepEqual(prepared, [mandate], 'told on a node that is not the primary');
    assert.equal(demotions, 1, 'the primary of one of the two was to be demoted');
  });

  it('reads the lock again when the first read is over a second old', async () => {
    check.slow = 1_050;
    check.meanwhile = () => (check.owner = { ...mandate, switchover: 'another' });
    await assert.rejects(node.migrate(undefined, mandate, never), isCode('lock-lost'));
    assert.equal(check.verified, 2);
    assert.deepEqual(manager.moved, []);
  });

  it('moves to the synchronous standby, or to the one that was asked for if it is one', async () => {
    assert.equal((await node.migrate(undefined, mandate, never)).name, 'pg02');
    assert.equal((await node.migrate('pg02', mandate, never)).name, 'pg02');
    assert.deepEqual(manager.preferences, [mandate.switchover, mandate.switchover]);
    await assert.rejects(node.migrate('pg03', mandate, never), isCode('no-sync-standby'));
    await assert.rejects(node.migrate('pg09', mandate, never), isCode('no-sync-standby'));
    assert.deepEqual(manager.moved, ['pg02', 'pg02']);
  });

  it("does not move to a standby that does not stream, whatever the cluster manager's last word is", async () => {
    for (const senders of [
      [],
      [sender('pg02', { state: 'catchup' })],
      [sender('pg02', { syncState: 'async' })],
      [sender('pg03')],
    ]) {
      postgres.found = { ...postgres.found, senders };
      await assert.rejects(node.migrate(undefined, mandate, never), isCode('no-sync-standby'));
    }
    // By its address, where the site chose another application_name.
    postgres.found = { ...postgres.found, senders: [sender('walreceiver', { address: '10.77.0.12' })] };
    await node.migrate(undefined, mandate, never);
    assert.deepEqual(manager.moved, ['pg02']);
  });

  it('does not look anew on the primary when it has just looked, and does elsewhere', async () => {
    recent = healthyTopology();
    await node.migrate(undefined, mandate, never);
    assert.equal(manager.looks, 0);
    manager.local = 'pg03';
    await node.migrate(undefined, mandate, never);
    assert.equal(manager.looks, 1);
  });

  it('does not move without quorum, without a primary, with two', async () => {
    const healthy = healthyTopology();
    for (const [topology, code] of [
      [{ ...healthy, quorum: false }, 'no-quorum'],
      [{ ...healthy, primary: { kind: 'none', why: 'demoting' } }, 'no-primary'],
      [{ ...healthy, primary: { kind: 'several', names: ['pg01', 'pg02'] } }, 'two-primaries'],
      [{ ...healthy, members: [member('pg01', { role: 'primary' }), member('pg02')] }, 'no-sync-standby'],
    ] as const) {
      manager.topology = topology;
      await assert.rejects(node.migrate(undefined, mandate, never), isCode(code));
    }
    assert.deepEqual(manager.moved, []);
  });

  it('lets the proxy of this node pause and resume, and nobody else, while one runs', async () => {
    await node.pause(order, mandate, never);
    await node.resume(undefined, 100, mandate, never);
    assert.deepEqual(
      proxy.calls.map(([rpc]) => rpc),
      ['pause', 'resume'],
    );
    assert.deepEqual(kept, []);
    proxy.failure = new PgcmError('timed-out', 'a transaction stayed open');
    await assert.rejects(node.pause(order, mandate, never), isCode('timed-out'));
    assert.deepEqual(kept, []);
  });

  it('pauses and resumes itself where no proxy runs, and lifts its own pause once one does', async () => {
    proxyRuns = false;
    await node.pause(order, mandate, never);
    keeper.paused = true;
    proxyRuns = true;
    await node.resume(undefined, 100, mandate, never);
    assert.deepEqual(kept, ['pause', 'resume']);
    assert.deepEqual(
      proxy.calls.map(([rpc]) => rpc),
      ['resume'],
    );
  });

  it('inspects everything, and says what could not be found out', async () => {
    const found = await node.inspect(never);
    assert.equal(found.proxy, 'pg01');
    assert.equal(found.manager?.topology.primary.kind, 'one');
    assert.deepEqual(found.problems, []);
    assert.deepEqual(found.bouncers, [
      { name: 'fake', error: '', sessionPooled: ['shop'], queryWaitTimeout: 120_000 },
    ]);
    manager.failure = new PgcmError('timed-out', 'crm_mon: killed');
    proxyRuns = false;
    const less = await node.inspect(never);
    assert.equal(less.proxy, '');
    assert.equal(less.manager, undefined);
    assert.deepEqual(less.postgres, postgres.found);
    assert.match(less.problems.join(), /crm_mon: killed/);
  });

  it('answers an inspection in time when a part is silent', async () => {
    manager.inspect = () => new Promise(() => undefined);
    const { manager: found, problems, node: name } = await node.inspect(AbortSignal.timeout(50));
    assert.equal(found, undefined);
    assert.equal(name, 'pg01');
    assert.equal(problems.length, 1);
  });

  it('expects a promotion when a standby is asked whether it takes writes', async () => {
    await node.probe(0, never);
    assert.equal(expected, 0);
    postgres.found = { ...postgres.found, inRecovery: true };
    await node.probe(0, never);
    assert.equal(expected, 1);
    assert.equal(waited, 0);
  });

  it('waits for the promotion when it is asked to, and says what was seen of it', async () => {
    postgres.found = { ...postgres.found, inRecovery: true };
    assert.equal((await node.probe(700, never)).timeline, 9);
    assert.equal(waited, 700);
    waited = 0;
    postgres.found = { ...postgres.found, inRecovery: false };
    assert.equal((await node.probe(700, never)).inRecovery, false, 'a primary answers at once');
    assert.equal(waited, 0);
  });
});
