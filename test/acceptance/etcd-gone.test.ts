import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, it } from 'node:test';
import { proxyState } from '../../src/records/proxy-state.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';
import { Session } from './session.js';

// All of etcd is gone, for longer than every lease and every delay between two tries. PGCM_TEST_ETCD_OUTAGE=600
// makes it ten minutes.

const outageMs = Number(process.env['PGCM_TEST_ETCD_OUTAGE'] ?? '40') * 1_000;
/** Between two statements of a client meanwhile. */
const statementEveryMs = 1_000;
/**
 * Promised are 2 s, and the time that it took is told. More than four times the longest delay between two tries
 * (500 ms, in src/etcd), and an exchange with etcd: a busy machine must not fail it, a longer delay must.
 */
const convergedWithinMs = 5_000;
/** A statement that waits longer was held for nothing. */
const answeredWithinMs = 5_000;

interface Bouncer {
  readonly name: string;
  readonly session: Session;
  readonly backend: string;
  readonly file: string;
  readonly mark: number;
}

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.shared('t-etcd-gone');
});
after(() => cluster.down());

it(`etcd is gone for ${outageMs / 1_000} s: clients keep their connections and their route, and nothing is reloaded`, async (t) => {
  const primary = await cluster.primary();
  const bouncers = await Promise.all(cluster.bouncers.map(open));
  const marks = new Map<string, number>();
  for (const node of cluster.nodes) marks.set(node, await cluster.logMark(node, 'pgcm-supervise'));

  await Promise.all(cluster.nodes.map((node) => cluster.service(node, 'stop', 'etcd')));
  const end = performance.now() + outageMs;
  let [longest, statements] = [0, 0];
  while (performance.now() < end) {
    longest = Math.max(longest, ...(await Promise.all(bouncers.map(stillServed))));
    statements += bouncers.length;
    await delay(statementEveryMs);
  }
  await Promise.all(cluster.nodes.map((node) => cluster.service(node, 'start', 'etcd')));
  const { back, published, revision } = await publishAgain(cluster.addressOf(primary));

  await eventually(async () => (await acknowledged(revision)).length === bouncers.length, {
    limit: 30_000,
    every: 200,
    what: 'every proxy acknowledges the route that was put after the outage',
  });
  await eventually(async () => (await registrations(bouncers, marks)).every((at) => at !== undefined), {
    limit: 30_000,
    every: 200,
    what: 'every proxy and every supervise is registered again',
  });
  const registered = Math.max(...(await registrations(bouncers, marks)).map((at) => (at ?? 0) - back));
  const applied = Math.max(...(await Promise.all(bouncers.map((one) => appliedAt(one, revision)))));
  t.diagnostic(
    `${statements} statements meanwhile, the slowest took ${Math.round(longest)} ms; all registered ${registered} ms ` +
      `after etcd took a write; a route put then was applied by all after ${applied - published} ms`,
  );

  assert.ok(longest < answeredWithinMs, `a statement took ${longest} ms`);
  assert.ok(registered < convergedWithinMs, `all were registered after ${registered} ms`);
  assert.ok(applied - published < convergedWithinMs, `the route was applied after ${applied - published} ms`);
  assert.equal(await cluster.primary(), primary);
  for (const bouncer of bouncers) {
    await stillServed(bouncer);
    assert.equal(bouncer.session.errors, '', bouncer.name);
    assert.equal(await fileOf(bouncer.name), bouncer.file, `${bouncer.name}: its file was written`);
    const log = await cluster.logSince(bouncer.name, 'pgcm-proxy', bouncer.mark);
    const reloads = log.filter(({ event }) => event === 'pgbouncer.reload_configuration');
    assert.deepEqual(reloads, [], bouncer.name);
    bouncer.session.close();
  }
});

async function open(name: string): Promise<Bouncer> {
  const session = await Session.open(cluster.playground, name);
  const backend = await session.query('select pg_backend_pid(), inet_server_addr()');
  return {
    ...{ name, session, backend },
    file: await fileOf(name),
    mark: await cluster.logMark(name, 'pgcm-proxy'),
  };
}

/** Over the same connections, on both sides of the bouncer. @returns how long it took */
async function stillServed({ name, session, backend }: Bouncer): Promise<number> {
  const start = performance.now();
  assert.equal(await session.query('select pg_backend_pid(), inet_server_addr()'), backend, name);
  return performance.now() - start;
}

/** Its number, its time and its length: a file that is written anew has another number. */
function fileOf(host: string): Promise<string> {
  return cluster.output(host, 'stat', '-c', '%i %y %s', '/etc/pgbouncer/pgbouncer.ini');
}

/** Writes the route as it was, as soon as etcd takes a write. Times are dates, as the logs have them. */
async function publishAgain(address: string): Promise<{ back: number; published: number; revision: bigint }> {
  const etcdctl = `env ETCDCTL_API=3 etcdctl --endpoints=${cluster.nodes
    .map((node) => `${cluster.addressOf(node)}:2379`)
    .join(',')} --command-timeout=1s`;
  const script = [
    `until ${etcdctl} put /is-etcd-there yes >/dev/null 2>&1; do sleep 0.02; done`,
    'date +%s%3N',
    `${etcdctl} put /master ${address} -w json`,
    'date +%s%3N',
  ].join('\n');
  const { stdout, stderr, status } = await cluster.playground.exec('client01', ['sh', '-ec', script], {
    timeoutMs: 60_000,
  });
  assert.equal(status, 0, stderr);
  const [back = '', answer = '', published = ''] = stdout.trim().split('\n');
  const { revision } = (JSON.parse(answer) as { header: { revision: number } }).header;
  return { back: Number(back), published: Number(published), revision: BigInt(revision) };
}

/** The proxies that say in etcd that they have applied a route of at least this revision. */
async function acknowledged(revision: bigint): Promise<readonly string[]> {
  const values = await cluster.etcdctl('get', '--prefix', '--print-value-only', '/pgcm/proxies/');
  return values
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => proxyState.parse(Buffer.from(line), '/pgcm/proxies/'))
    .filter(({ route }) => route !== undefined && route.revision >= revision)
    .map(({ id }) => id);
}

/** When each proxy and each supervise said that it is registered under a new lease. */
async function registrations(
  bouncers: readonly Bouncer[],
  marks: ReadonlyMap<string, number>,
): Promise<readonly (number | undefined)[]> {
  const logs = [
    ...bouncers.map(({ name, mark }) => cluster.logSince(name, 'pgcm-proxy', mark)),
    ...[...marks].map(([node, mark]) => cluster.logSince(node, 'pgcm-supervise', mark)),
  ];
  return (await Promise.all(logs)).map((lines) => {
    const line = lines.findLast(({ event }) => event === 'etcd.registered');
    return line === undefined ? undefined : Date.parse(String(line['ts']));
  });
}

async function appliedAt({ name, mark }: Bouncer, revision: bigint): Promise<number> {
  const log = await cluster.logSince(name, 'pgcm-proxy', mark);
  const line = log.find(
    (one) => one['event'] === 'route.applied' && BigInt(String(one['revision'])) >= revision,
  );
  assert.ok(line, `${name} did not say that it applied ${revision}`);
  return Date.parse(String(line['ts']));
}
