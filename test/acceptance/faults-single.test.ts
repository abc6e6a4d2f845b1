import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { machineClock } from '../../bench/clock.js';
import { onLine } from '../../playground/lines.js';
import { proxyState } from '../../src/records/proxy-state.js';
import type { ProxyState } from '../../src/domain/switchover.js';
import { Arena, type Roles } from '../faults/arena.js';
import { HeldRun } from '../faults/held-run.js';
import { Load } from '../faults/load.js';
import { eventually } from '../support/eventually.js';
import type { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';

/** pause-expiry (25 s), and the restart of a proxy. */
const expiryLimit = 40_000;
const leaseLimit = 15_000;
/** Until a running supervise has removed what a dead run left. */
const orphanLimit = 60_000;

describe('switchovers that meet trouble', () => {
  let arena: Arena;
  let cluster: Cluster;
  let roles: Roles;
  let since = 0;
  let tables = 0;
  before(async () => {
    arena = await Arena.up('t-faults-single');
    cluster = arena.cluster;
  });
  after(() => arena.down());

  beforeEach(async () => {
    await cluster.heal();
    since = machineClock();
    roles = await arena.roles();
  });

  async function withLoad(work: (load: Load) => Promise<void>): Promise<void> {
    tables += 1;
    const load = await Load.start(cluster, `single_${tables}`);
    try {
      await work(load);
      await load.untilAllRun(expiryLimit);
      await load.stop();
      assert.deepEqual(await load.lost(), [], 'acknowledged writes are lost');
      assert.deepEqual(arena.violations(since), []);
    } finally {
      load.kill();
    }
  }

  async function nextSucceeds(): Promise<void> {
    await cluster.heal();
    const run = await FailoverRun.start(cluster.playground, 'client01');
    assert.equal(await run.status(), 0, run.text);
  }

  it('two at once: one moves the primary, the other is refused', () =>
    withLoad(async (load) => {
      const start = (): Promise<FailoverRun> =>
        FailoverRun.start(cluster.playground, 'client01', '--lock-timeout', '500ms');
      const runs = await Promise.all([start(), start()]);
      const statuses = await Promise.all(runs.map((run) => run.status()));
      assert.deepEqual(statuses.sort(), [0, 3], runs.map((run) => run.text).join('\n\n'));
      assert.equal(await cluster.primary(), roles.target);
      assert.deepEqual(load.failures(), []);
      await cluster.assertCalm();
    }));

  it('the second learns who is at work, and since when', async () => {
    const first = await HeldRun.at(cluster, 'pause', 'begin');
    const second = await FailoverRun.start(cluster.playground, 'client01');
    assert.equal(await second.status(), 3, second.text);
    const end = second.lines.find(({ event }) => event === 'failover.end');
    assert.match(String(end?.['msg']), /client01.*pid \d+.*since/);
    await first.release();
    assert.equal(await first.run.status(), 0, first.run.text);
    assert.equal(await cluster.primary(), roles.target);
  });

  it('a proxy that joins in mid-switchover pauses before it says that it is there', () =>
    withLoad(async (load) => {
      await cluster.service('app01', 'stop', 'pgcm-proxy');
      const states = await watchStates(cluster);
      try {
        const held = await HeldRun.at(cluster, 'migrate', 'begin', { args: ['--force'] });
        await cluster.service('app01', 'start', 'pgcm-proxy');
        await eventually(() => states.of('app01').length > 0, { limit: 20_000, what: 'app01 registers' });
        await held.release();
        assert.equal(await held.run.status(), 0, held.run.text);
        assert.equal(states.of('app01')[0]?.pause.kind, 'paused');
      } finally {
        states.stop();
        // Also after a failure: the tests that follow need every proxy.
        await cluster.service('app01', 'start', 'pgcm-proxy');
      }
      await load.untilAllRun(expiryLimit);
      assert.deepEqual(load.failures('app01'), []);
      assert.equal(await cluster.primary(), roles.target);
    }));

  /** SHOW DATABASES: the last column but one is `paused`. */
  async function isPaused(bouncer: string): Promise<boolean> {
    const console = ['-h', '/var/run/postgresql', '-p', '6432', '-U', 'pgbouncer', 'pgbouncer'];
    const rows = await cluster.output(bouncer, 'psql', '-XAtc', 'SHOW DATABASES', ...console);
    const app = rows.split('\n').find((row) => row.startsWith('app|'));
    assert.ok(app !== undefined, `${bouncer} has no database app: ${rows}`);
    return app.split('|').at(-2) === '1';
  }

  describe('etcd without quorum', () => {
    async function loseQuorum(): Promise<void> {
      for (const node of ['pg02', 'pg03']) {
        await cluster.run(node, 'kill', '-KILL', await cluster.pid(node, 'etcd'));
        await cluster.service(node, 'stop', 'etcd');
      }
    }
    async function regainQuorum(): Promise<void> {
      for (const node of ['pg02', 'pg03']) await cluster.service(node, 'start', 'etcd');
      await eventually(async () => (await cluster.run('client01', ...health)).status === 0, {
        limit: 60_000,
        every: 500,
        what: 'etcd is healthy again',
      });
    }
    /** A new leader lets every lease begin anew; the janitor looks when the lock is free. */
    async function untilNothingIsLeft(): Promise<void> {
      await eventually(async () => (await cluster.locks()).length === 0, {
        limit: 2 * leaseLimit,
        every: 500,
        what: 'the lock is free',
      });
      await eventually(async () => !(await cluster.hasConstraint()), {
        limit: orphanLimit,
        every: 500,
        what: 'no constraint is left',
      });
    }
    const health = [
      'env',
      'ETCDCTL_API=3',
      'etcdctl',
      '--endpoints=10.77.0.11:2379,10.77.0.12:2379,10.77.0.13:2379',
      'endpoint',
      'health',
    ];

    it('before the move: nothing moves, and clients run again by the expiry', () =>
      withLoad(async (load) => {
        const held = await HeldRun.at(cluster, 'migrate', 'begin');
        await loseQuorum();
        try {
          await held.release();
          await load.untilAllRun(expiryLimit);
          assert.ok([4, 5, 6].includes(await held.run.status(120_000)), held.run.text);
          assert.deepEqual(arena.primariesNow(), [roles.old]);
          assert.deepEqual(load.failures(), []);
        } finally {
          await regainQuorum();
        }
        await untilNothingIsLeft();
        await nextSucceeds();
      }));

    it('after Pacemaker accepted the move: no second primary, and no bouncer is paused beyond the expiry', () =>
      withLoad(async (load) => {
        const held = await HeldRun.at(cluster, 'migrate', 'answer');
        for (const bouncer of cluster.bouncers) assert.equal(await isPaused(bouncer), true, bouncer);
        await loseQuorum();
        try {
          await held.release();
          // Where the new primary is cannot be published: PgBouncer goes on trying the old one for its clients.
          const allRun = async (): Promise<boolean> =>
            (await Promise.all(cluster.bouncers.map(isPaused))).every((paused) => !paused);
          await eventually(allRun, { limit: expiryLimit, every: 200, what: 'no bouncer is paused' });
          assert.ok([4, 5, 6].includes(await held.run.status(120_000)), held.run.text);
        } finally {
          await regainQuorum();
        }
        // The agent cannot claim the promotion without etcd. Once it can, Pacemaker may take either of the two that have every commit.
        await eventually(() => arena.primariesNow().length === 1, {
          limit: orphanLimit,
          every: 100,
          what: 'there is one primary',
        });
        assert.ok(
          [roles.old, roles.target].includes(arena.primariesNow()[0] ?? ''),
          arena.primariesNow().join(),
        );
        await load.untilAllRun(expiryLimit);
        await untilNothingIsLeft();
        await nextSucceeds();
      }));
  });

  it('a run that was frozen while another one was done does nothing when it is thawed', () =>
    withLoad(async () => {
      const frozen = await HeldRun.at(cluster, 'migrate', 'begin');
      frozen.run.signal('SIGSTOP');
      await frozen.release();
      await eventually(async () => (await cluster.locks()).length === 0, {
        limit: leaseLimit,
        every: 200,
        what: "the frozen run's lock ended",
      });
      const other = await FailoverRun.start(cluster.playground, 'client01');
      assert.equal(await other.status(), 0, other.text);
      const timeline = await cluster.timeline(roles.target);

      frozen.run.thaw();
      assert.notEqual(await frozen.run.status(), 0, frozen.run.text);
      assert.deepEqual(arena.primariesNow(), [roles.target]);
      assert.equal(await cluster.timeline(roles.target), timeline);
      assert.equal(await cluster.hasConstraint(), false);

      // Whatever it would still ask for is refused, by whichever supervise.
      const mandate = mandateOf(frozen.run);
      const mark = await cluster.logMark(roles.third, 'pgcm-supervise');
      const rpcs = ['pause', 'resume', 'migrate', 'unmigrate', 'checkpoint', 'terminate', 'rejoin'];
      for (const rpc of rpcs) {
        const answer = await call(cluster, roles.third, rpc, { mandate, ...details[rpc] });
        assert.equal(answer['code'], 'ABORTED', `${rpc}: ${JSON.stringify(answer)}`);
      }
      const log = await cluster.logSince(roles.third, 'pgcm-supervise', mark);
      const refused = log.filter(({ event }) => event === 'server.request').map(({ rpc }) => rpc);
      assert.deepEqual(refused, rpcs);
      assert.equal(await cluster.primary(), roles.target);
    }));
});

/** What these requests need besides a mandate. */
const details: Readonly<Record<string, object>> = {
  pause: { timeout: 5, expiry: 5 },
  terminate: { older_than_ms: 3_600_000 },
  rejoin: { primary: 'pg01', address: '10.77.0.11', timeout_ms: 1_000 },
};

function mandateOf({ lines }: FailoverRun): object {
  const id = lines.find(({ event }) => event === 'etcd.lock.acquire')?.['id'];
  const revision = lines.find(({ event }) => event === 'etcd.lock.acquired')?.['revision'];
  assert.ok(id !== undefined && revision !== undefined, 'the run never held the lock');
  return { switchover: id, lock_revision: revision };
}

async function call(
  cluster: Cluster,
  node: string,
  rpc: string,
  request: object,
): Promise<Record<string, unknown>> {
  const script = '/opt/pgcm/dist/test/acceptance/raw-client.js';
  const { stdout } = await cluster.run(
    'client01',
    'node',
    script,
    `${node}:8080`,
    rpc,
    JSON.stringify(request),
  );
  return JSON.parse(stdout) as Record<string, unknown>;
}

interface States {
  /** What this host's proxy wrote since the watch began, in order. */
  of(host: string): readonly ProxyState[];
  stop(): void;
}

async function watchStates({ playground }: Cluster): Promise<States> {
  const endpoints = '--endpoints=10.77.0.11:2379,10.77.0.12:2379,10.77.0.13:2379';
  const argv = ['env', 'ETCDCTL_API=3', 'etcdctl', endpoints, 'watch', '--prefix', '/pgcm/proxies/'];
  const child = await playground.spawn('client01', argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  const seen: ProxyState[] = [];
  if (child.stdout !== null) {
    onLine(child.stdout, (line) => {
      if (line.startsWith('{')) seen.push(proxyState.parse(Buffer.from(line), 'a registration'));
    });
  }
  return { of: (host) => seen.filter((state) => state.host === host), stop: () => child.kill('SIGKILL') };
}
