import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Client } from 'pg';
import type { PublishedTopology } from '../../src/domain/switchover.js';
import { TemplatedConfig } from '../../src/pgbouncer/bouncer-config.js';
import { createProxy, type RouteProxy } from '../../src/proxy/proxy.js';
import { FakeLog } from '../fakes/log.js';
import { FakeRoutes } from '../fakes/routes.js';
import { topologyOf } from '../fakes/topologies.js';
import { FakeViews } from '../fakes/views.js';
import { eventually, stays } from '../support/eventually.js';
import { startPgBouncer, type PgBouncerServer } from './pgbouncer-server.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const [PRIMARY, SECOND, THIRD] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const;
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

/** As test/fakes/topologies.ts has it, at the addresses of this test. */
function cluster(primary: string, ...down: readonly string[]): PublishedTopology {
  const whole = topologyOf(primary);
  const at: Readonly<Record<string, string>> = { pg01: PRIMARY, pg02: SECOND, pg03: THIRD };
  const members = whole.members.map((one) => ({
    ...one,
    address: at[one.name] ?? '',
    up: !down.includes(one.name),
  }));
  return { ...whole, members };
}

describe('a read-only database of a real PgBouncer', () => {
  let postgres: PostgresServer;
  let server: PgBouncerServer;
  let routes: FakeRoutes;
  let views: FakeViews;
  let config: TemplatedConfig;
  let proxy: RouteProxy;
  let stop: AbortController;
  let running: Promise<void>;

  const reloads = (): number => server.log().split('RELOAD command issued').length - 1;
  const applied = (address: string): Promise<void> =>
    eventually(() => proxy.state.kind === 'applied' && proxy.state.route.address === address);
  const entry = (): string | undefined =>
    /^app_ro = host=(\S+)/m.exec(readFileSync(server.iniFile, 'utf8'))?.[1];
  const whereIs = async (client: Client): Promise<string> =>
    (await client.query<{ host: string }>('SELECT host(inet_server_addr()) AS host')).rows[0]?.host ?? '';

  before(async () => {
    postgres = await startPostgres({ addresses: [PRIMARY, SECOND, THIRD] });
  });
  after(() => postgres.stop());

  beforeEach(async () => {
    server = await startPgBouncer({ databases: '' });
    const templateFile = join(server.folder, 'template');
    const at = `port=${postgres.port} dbname=postgres`;
    const list = '{{#each Replicas}}{{#unless @first}},{{/unless}}{{Address}}{{/each}}';
    const databases = `app = host={{.Host}} ${at}\n{{#if Replicas}}\napp_ro = host=${list} ${at}\n{{/if}}\n`;
    writeFileSync(templateFile, `[databases]\n${databases}\n${server.settings}`);
    routes = new FakeRoutes();
    views = new FakeViews();
    views.topology = cluster('pg01');
    stop = new AbortController();
    config = await TemplatedConfig.open(
      { configFile: server.iniFile, templateFile, timeout: 10_000 },
      soon(),
    );
    const { bouncer } = server;
    const options = { routes, bouncers: [bouncer], config, views, log: new FakeLog() };
    proxy = createProxy({ ...options, retryInterval: 5_000, lookInterval: 50, standbyInterval: 50 });
    routes.put(PRIMARY);
    running = proxy.run(stop.signal);
    await applied(PRIMARY);
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await server.stop();
  });

  it('leads to the standbys, all of them', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => server.connect('app_ro')));
    // Each in a transaction of its own, so that each has a server connection of its own.
    await Promise.all(clients.map((client) => client.query('BEGIN')));
    const found = new Set(await Promise.all(clients.map(whereIs)));
    assert.deepEqual([...found].sort(), [SECOND, THIRD]);
    await Promise.all(clients.map((client) => client.end()));
  });

  it('goes on in a pause of what leads to the primary, also over the new route', async () => {
    const [writer, reader] = await Promise.all([server.connect('app'), server.connect('app_ro')]);
    assert.equal(await whereIs(writer), PRIMARY);
    assert.deepEqual(config.follows, ['app']);
    await server.bouncer.pause(config.follows, soon());
    let answered = false;
    const waiting = whereIs(writer).finally(() => (answered = true));
    for (let n = 0; n < 20; n += 1) assert.notEqual(await whereIs(reader), PRIMARY);
    await stays(() => !answered, 100);
    // The topology of before: the target is a standby in it still, and readers leave it all the same.
    routes.put(SECOND);
    await applied(SECOND);
    assert.equal(entry(), THIRD);
    await stays(() => !answered, 100);
    views.topology = cluster('pg02');
    await eventually(() => entry() === `${PRIMARY},${THIRD}`);
    for (let n = 0; n < 20; n += 1) assert.notEqual(await whereIs(reader), SECOND);
    await stays(() => !answered, 100);
    await server.bouncer.resume(soon());
    assert.equal(await waiting, SECOND);
    await Promise.all([writer.end(), reader.end()]);
  });

  it('follows standbys that come and go without disturbing anybody else', async () => {
    const [writer, reader] = await Promise.all([server.connect('app'), server.connect('app_ro')]);
    await writer.query('BEGIN');
    await reader.query('BEGIN');
    const [before, told] = [await whereIs(reader), reloads()];
    views.topology = cluster('pg01', 'pg02');
    await eventually(() => reloads() === told + 1);
    assert.equal(entry(), THIRD);
    // Both transactions end where they began.
    assert.deepEqual([await whereIs(writer), await whereIs(reader)], [PRIMARY, before]);
    await Promise.all([writer.query('COMMIT'), reader.query('COMMIT')]);
    for (let n = 0; n < 10; n += 1) assert.equal(await whereIs(reader), THIRD);
    views.topology = { ...cluster('pg01', 'pg02'), timeline: 9 };
    await stays(() => reloads() === told + 1, 200);
    await Promise.all([writer.end(), reader.end()]);
  });

  it('is not there without a healthy standby, or leads to the primary and is paused with it', async () => {
    views.topology = cluster('pg01', 'pg02', 'pg03');
    await eventually(() => entry() === undefined);
    await eventually(
      async () => !(await server.bouncer.databases(soon())).some(({ name }) => name === 'app_ro'),
    );
    await assert.rejects(server.connect('app_ro'), /no such database/);
    views.fallback = 'primary';
    await eventually(() => entry() === PRIMARY);
    await eventually(() => proxy.state.kind === 'applied');
    assert.deepEqual(config.follows, ['app', 'app_ro']);
    const reader = await server.connect('app_ro');
    assert.equal(await whereIs(reader), PRIMARY);
    await server.bouncer.pause(config.follows, soon());
    let answered = false;
    const waiting = whereIs(reader).finally(() => (answered = true));
    await stays(() => !answered, 100);
    await server.bouncer.resume(soon());
    await waiting;
    await reader.end();
  });
});
