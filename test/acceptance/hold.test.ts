import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { faults, restore, type FaultName } from '../../bench/faults.js';
import { machineClock } from '../../bench/clock.js';
import { onLine } from '../../playground/lines.js';
import { asPostgres } from '../../playground/cluster.js';
import type { HostStatus } from '../../playground/protocol.js';
import { proxyState } from '../../src/records/proxy-state.js';
import { sleep } from '../../src/runtime/deadline.js';
import { Load } from '../faults/load.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';

/** Until Pacemaker has found out, fenced where it must, and promoted. */
const takeoverLimit = 90_000;
const never = new AbortController().signal;

describe('the loss of the primary, as clients meet it', () => {
  let cluster: Cluster;
  let tables = 0;
  before(async () => {
    cluster = await Cluster.up('t-hold');
  });
  after(() => cluster.down());

  /** Clients of these bouncers write while something happens; none of what was acknowledged is lost. */
  async function withLoad(bouncers: readonly string[], work: (load: Load) => Promise<void>): Promise<void> {
    tables += 1;
    const hosts = await cluster.playground.hosts();
    const targets = bouncers.map((name) => ({
      name,
      host: hosts.find((host) => host.name === name)?.address ?? name,
      port: 6432,
      clients: 2,
    }));
    const load = await Load.start(cluster, `hold_${tables}`, { targets });
    try {
      await load.untilAllRun(20_000);
      await work(load);
      await load.untilAllRun(20_000);
      await load.stop();
      assert.deepEqual(await load.lost(), [], 'acknowledged writes are lost');
    } finally {
      load.kill();
    }
  }

  /** What each proxy does, as it says itself in etcd. */
  async function holds(bouncers: readonly string[]): Promise<readonly string[]> {
    const states = bouncers.map(async (id) => {
      const text = await cluster.etcdctl('get', '--print-value-only', `/pgcm/proxies/${id}`);
      return text === '' ? 'gone' : proxyState.parse(Buffer.from(text), id).hold.kind;
    });
    return Promise.all(states);
  }

  async function untilAll(bouncers: readonly string[], kind: 'none' | 'held', limit: number): Promise<void> {
    await eventually(async () => (await holds(bouncers)).every((one) => one === kind), {
      limit,
      every: 200,
      what: `the hold of ${bouncers.join(', ')} is '${kind}'`,
    });
  }

  it('a primary that takes no writes any more holds everybody, without an error from then on', async () => {
    await cluster.heal();
    const primary = await cluster.primary();
    const sql = (statement: string): Promise<string> =>
      cluster.output(
        primary,
        ...asPostgres('psql', '-X', '-q', '-c', statement, '-c', 'SELECT pg_reload_conf()'),
      );
    await withLoad(cluster.bouncers, async (load) => {
      await sql('ALTER SYSTEM SET default_transaction_read_only = on');
      try {
        await untilAll(cluster.bouncers, 'held', 20_000);
        // A hold does not wait for statements that are under way: their errors are on the way to the clients.
        await sleep(300, never);
        const failures = load.failures().length;
        const acks = load.acks().length;
        await sleep(1_500, never);
        assert.equal(load.failures().length, failures, 'errors in the middle of a hold');
        assert.equal(load.acks().length, acks, 'answers in the middle of a hold');
      } finally {
        await sql('ALTER SYSTEM RESET default_transaction_read_only');
      }
      await untilAll(cluster.bouncers, 'none', 20_000);
    });
    await cluster.assertCalm();
  });

  for (const fault of ['postgres', 'power', 'cut'] as const satisfies readonly FaultName[]) {
    it(`${faults[fault].words}: clients are held, and go on at the primary that comes`, async () => {
      await cluster.heal();
      const old = await hostOf(await cluster.primary());
      const survivors = cluster.bouncers.filter((one) => fault === 'postgres' || one !== old.name);
      const marks = await Promise.all(survivors.map((one) => cluster.logMark(one, 'pgcm-proxy')));
      const reader = fault === 'cut' ? await readThrough(cluster, old.name) : undefined;
      await withLoad(survivors, async (load) => {
        const strike = await faults[fault].prepare(cluster.playground, old);
        await strike();
        await load.untilAllRun(takeoverLimit);
        const tookOver = machineClock();
        await untilAll(survivors, 'none', 20_000);
        for (const [index, bouncer] of survivors.entries()) {
          const log = await cluster.logSince(bouncer, 'pgcm-proxy', marks[index] ?? 0);
          assert.ok(
            log.some(({ event }) => event === 'hold.begin'),
            `${bouncer} held nobody`,
          );
          const outcome = log.find(({ event }) => event === 'hold.end')?.['outcome'];
          assert.ok(outcome === 'route' || outcome === 'recovered', `${bouncer}: ${String(outcome)}`);
        }
        if (reader !== undefined) {
          await sleep(4_000, never);
          const late = reader.answers.filter((at) => at > tookOver + 2_000);
          reader.stop();
          assert.deepEqual(late, [], 'a deposed primary was read from');
        }
      });
      await restore(cluster.playground, fault, old, await hostOf(await cluster.primary()), never);
    });
  }

  async function hostOf(name: string): Promise<HostStatus> {
    const host = (await cluster.playground.hosts()).find((one) => one.name === name);
    assert.ok(host !== undefined, name);
    return host;
  }
});

interface Reader {
  /** When it was answered, on the machine's clock. */
  readonly answers: readonly number[];
  stop(): void;
}

/** A client on a Postgres node, which its own cable does not matter to: asks through the bouncer there, five times a second. */
async function readThrough({ playground }: Cluster, node: string): Promise<Reader> {
  const ask = "timeout 1 psql -XAtqc 'select 1' -h /var/run/postgresql -p 6432 -U app app 2>/dev/null || :";
  const script = `for i in $(seq 600); do ${ask}; sleep 0.2; done`;
  const child = await playground.spawn(node, ['sh', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  const answers: number[] = [];
  if (child.stdout !== null) onLine(child.stdout, () => answers.push(machineClock()));
  await eventually(() => answers.length > 0, { limit: 20_000, what: `clients on ${node} read` });
  return { answers, stop: () => child.kill('SIGKILL') };
}
