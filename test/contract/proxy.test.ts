import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Client } from 'pg';
import { events } from '../../src/domain/events.js';
import { TemplatedConfig } from '../../src/pgbouncer/bouncer-config.js';
import { compileTemplate } from '../../src/rendering/template.js';
import { createProxy, type RouteProxy } from '../../src/proxy/proxy.js';
import { packageFile } from '../../src/runtime/package-root.js';
import { FakeLog } from '../fakes/log.js';
import { FakeRoutes } from '../fakes/routes.js';
import { FakeViews } from '../fakes/views.js';
import { eventually, stays } from '../support/eventually.js';
import { startPgBouncer, type PgBouncerServer } from './pgbouncer-server.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const FIRST = '127.0.0.1';
const SECOND = '127.0.0.2';
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

describe('the proxy with a real PgBouncer', () => {
  let postgres: PostgresServer;
  let server: PgBouncerServer;
  let routes: FakeRoutes;
  let views: FakeViews;
  let log: FakeLog;
  let proxy: RouteProxy;
  let templateFile: string;
  let stop: AbortController;
  let running: Promise<void>;

  const ini = (): string => readFileSync(server.iniFile, 'utf8');
  const reloads = (): number => server.log().split('RELOAD command issued').length - 1;
  const writeTemplate = (databases = `app = host={{.Host}} port=${postgres.port} dbname=postgres`): void => {
    writeFileSync(templateFile, `[databases]\n${databases}\n${server.settings}`);
  };
  const applied = (address: string): Promise<void> =>
    eventually(() => proxy.state.kind === 'applied' && proxy.state.route.address === address);
  const start = async (): Promise<void> => {
    const config = await TemplatedConfig.open(
      { configFile: server.iniFile, templateFile, timeout: 10_000 },
      soon(),
    );
    const { bouncer } = server;
    const options = { routes, bouncers: [bouncer], config, views, log };
    proxy = createProxy({ ...options, retryInterval: 5_000, lookInterval: 50 });
    running = proxy.run(stop.signal);
  };
  const whereIs = async (client: Client): Promise<unknown> =>
    (await client.query<{ host: string }>('SELECT host(inet_server_addr()) AS host')).rows[0]?.host;

  before(async () => {
    postgres = await startPostgres({ addresses: [FIRST, SECOND] });
  });
  after(() => postgres.stop());

  beforeEach(async () => {
    // As it is before a route is known: without databases.
    server = await startPgBouncer({ databases: '' });
    templateFile = join(server.folder, 'template');
    writeTemplate();
    routes = new FakeRoutes();
    views = new FakeViews();
    log = new FakeLog();
    stop = new AbortController();
    running = Promise.resolve();
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await server.stop();
  });

  it('leads clients to the route, and on to the next one under a pause with no error', async () => {
    routes.put(FIRST);
    await start();
    await applied(FIRST);
    const clients = await Promise.all([1, 2, 3].map(() => server.connect('app')));
    for (const client of clients) assert.equal(await whereIs(client), FIRST);
    await server.bouncer.pause('all', soon());
    const waiting = clients.map(whereIs);
    routes.put(SECOND);
    await applied(SECOND);
    await server.bouncer.resume(soon());
    assert.deepEqual(await Promise.all(waiting), [SECOND, SECOND, SECOND]);
    await Promise.all(clients.map((client) => client.end()));
    assert.equal(reloads(), 2);
    assert.deepEqual(
      log.of(events.pgbouncerReload).map(({ host }) => host),
      [FIRST, SECOND],
    );
  });

  it('defect 9: keeps owner and mode of the file, and escapes nothing in it', async () => {
    const secret = `password='a&b<c>"d'`;
    writeTemplate(`app = host={{.Host}} port=${postgres.port} dbname=postgres user=postgres ${secret}`);
    chmodSync(server.iniFile, 0o600);
    const before = statSync(server.iniFile);
    routes.put(FIRST);
    await start();
    await applied(FIRST);
    const after = statSync(server.iniFile);
    assert.notEqual(after.ino, before.ino);
    assert.deepEqual([after.uid, after.gid, after.mode], [before.uid, before.gid, before.mode]);
    assert.equal(ini(), readFileSync(templateFile, 'utf8').replace('{{.Host}}', FIRST));
  });

  it('refuses what is no address: the file stays byte for byte, PgBouncer is not told to RELOAD', async () => {
    routes.put(FIRST);
    await start();
    await applied(FIRST);
    const [file, told] = [ini(), reloads()];
    const inode = statSync(server.iniFile).ino;
    routes.putBad('"0.0.0.0" is not a usable address');
    routes.remove();
    await stays(() => ini() === file && statSync(server.iniFile).ino === inode && reloads() === told, 200);
    assert.equal(log.of(events.routeRefused).length, 1);
  });

  it('starts without PgBouncer, and is right within 5 s of its return', async () => {
    await server.kill();
    routes.put(FIRST);
    await start();
    await eventually(() => proxy.state.kind === 'failing' && proxy.state.attempt > 1);
    assert.match(ini(), /host=127\.0\.0\.1/);
    assert.match(String(log.of(events.pgbouncerError)[0]?.['error']), /is it running, with unix_socket_dir/);
    await server.start();
    const back = performance.now();
    await applied(FIRST);
    assert.ok(performance.now() - back < 5_000);
    assert.equal(log.of(events.pgbouncerError).length, 1);
  });

  it('takes a PgBouncer that restarted as it is: it has read the file by itself', async () => {
    routes.put(FIRST);
    await start();
    await applied(FIRST);
    const told = reloads();
    await server.kill();
    await eventually(() => proxy.state.kind === 'failing');
    await server.start();
    await applied(FIRST);
    assert.equal(reloads(), told);
  });

  it('changes the file also while PgBouncer is frozen, and verifies when it runs again', async () => {
    routes.put(FIRST);
    await start();
    await applied(FIRST);
    server.signal('SIGSTOP');
    routes.put(SECOND);
    await eventually(() => ini().includes(`host=${SECOND}`));
    assert.notEqual(proxy.state.kind, 'applied');
    server.signal('SIGCONT');
    await applied(SECOND);
    assert.equal((await server.bouncer.databases(soon()))[0]?.host, SECOND);
  });

  it('does not call a route applied that PgBouncer did not take', async () => {
    writeTemplate('not an entry\napp = host={{.Host}}');
    routes.put(FIRST);
    await start();
    await eventually(() => proxy.state.kind === 'failing');
    assert.match(String(log.of(events.pgbouncerError)[0]?.['error']), /after RELOAD it has no database app/);
    assert.equal(log.of(events.routeApplied).length, 0);
    writeTemplate();
    await applied(FIRST);
  });

  it('follows with databases that are made from *', async () => {
    writeTemplate(`* = host={{.Host}} port=${postgres.port}`);
    routes.put(FIRST);
    await start();
    await applied(FIRST);
    const client = await server.connect('postgres');
    assert.equal(await whereIs(client), FIRST);
    routes.put(SECOND);
    await applied(SECOND);
    await eventually(async () => (await whereIs(client)) === SECOND);
    await client.end();
  });

  it('goes on with the template as it was when that becomes unusable', async () => {
    routes.put(FIRST);
    await start();
    await applied(FIRST);
    writeTemplate('app = host={{.Hots}}');
    routes.put(SECOND);
    await applied(SECOND);
    assert.match(ini(), /app = host=127\.0\.0\.2/);
    assert.match(
      String(log.of(events.templateError)[0]?.['error']),
      /template:2:15: "Hots" is no known name/,
    );
  });

  it('is content with the template that pgcm brings along', async () => {
    const shipped = readFileSync(packageFile('templates', 'pgbouncer.ini.template'), 'utf8');
    const own = server.settings.matchAll(
      /^(listen_addr|listen_port|unix_socket_dir|logfile|pidfile|auth_type|auth_file) = .*$/gm,
    );
    let adapted = shipped.replace(
      /^app = .*$/m,
      `app = host={{.Host}} port=${postgres.port} dbname=postgres`,
    );
    for (const [line, name] of own) adapted = adapted.replace(new RegExp(`^${name ?? ''} = .*$`, 'm'), line);
    writeFileSync(templateFile, adapted);
    compileTemplate(shipped, 'shipped');
    routes.put(FIRST);
    await start();
    await applied(FIRST);
    await server.kill();
    await server.start();
    await applied(FIRST);
    const client = await server.connect('app');
    assert.equal(await whereIs(client), FIRST);
    await client.end();
    for (const [name, value] of Object.entries({
      pool_mode: 'transaction',
      server_login_retry: '0.1',
      tcp_user_timeout: '3000',
      query_wait_timeout: '120',
    })) {
      assert.equal(await server.bouncer.setting(name, soon()), value);
    }
    assert.doesNotMatch(server.log(), /ERROR|WARNING/);
  });
});
