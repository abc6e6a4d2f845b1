import assert from 'node:assert/strict';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client } from 'pg';
import { PauseKeeper } from '../../src/pausing/pause-keeper.js';
import { TemplatedConfig } from '../../src/pgbouncer/bouncer-config.js';
import { PgBouncer } from '../../src/pgbouncer/console.js';
import { createProxy } from '../../src/proxy/proxy.js';
import { monotonic } from '../../src/runtime/clock.js';
import { FakeLog } from '../fakes/log.js';
import { FakeRoutes } from '../fakes/routes.js';
import { FakeViews } from '../fakes/views.js';
import { eventually, stays } from '../support/eventually.js';
import { giveToServer } from './pgbouncer-server.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';
import { freePort, serverFolder, ServerProcess } from './server-process.js';

const FIRST = '127.0.0.1';
const SECOND = '127.0.0.2';
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

/**
 * As docs/install.md says: each process has a file of its own, which includes the one that pgcm writes.
 * That one has [databases] alone: where [pgbouncer] begins a second time, all settings are the defaults again.
 */
describe('two PgBouncers behind one port (so_reuseport)', () => {
  const root = serverFolder('reuse');
  const iniFile = join(root.path, 'pgbouncer.ini');
  const templateFile = join(root.path, 'template');
  const folders = ['a', 'b'].map((name) => serverFolder(`reuse-${name}`));
  const processes: ServerProcess[] = [];
  const clients: Client[] = [];
  let postgres: PostgresServer;
  let port: number;

  before(async () => {
    postgres = await startPostgres({ addresses: [FIRST, SECOND] });
    port = await freePort();
    const users = join(root.path, 'users');
    write(users, '"postgres" ""\n"pgbouncer" ""\n');
    const shared = `[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
so_reuseport = 1
auth_type = trust
auth_file = ${users}
admin_users = pgbouncer
pool_mode = transaction
`;
    write(iniFile, '[databases]\n');
    write(templateFile, `[databases]\napp = host={{.Host}} port=${postgres.port} dbname=postgres\n`);
    for (const folder of folders) await start(folder.path, shared);
  });

  after(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await Promise.all(processes.map((one) => one.end('SIGTERM')));
    await postgres.stop();
    for (const folder of [root, ...folders]) folder.remove();
  });

  function write(path: string, text: string): void {
    writeFileSync(path, text);
    giveToServer(path, 0o640);
  }

  async function start(folder: string, shared: string): Promise<void> {
    const own = join(folder, 'own.ini');
    const settings = ['unix_socket_dir = ', 'logfile = ', 'pidfile = '];
    const values = [folder, join(folder, 'log'), join(folder, 'pid')];
    const lines = settings.map((setting, at) => `${setting}${values[at] ?? ''}`);
    write(own, `%include ${iniFile}\n${shared}${lines.join('\n')}\n`);
    chmodSync(root.path, 0o755);
    const server = new ServerProcess('/usr/sbin/pgbouncer', [own]);
    processes.push(server);
    await eventually(() => {
      if (!server.running) throw new Error(`PgBouncer ended: ${server.output}`);
      return existsSync(join(folder, `.s.PGSQL.${port}`));
    });
  }

  async function connect(): Promise<Client> {
    const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'app', ssl: false });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  }

  const whereIs = async (client: Client): Promise<unknown> =>
    (await client.query<{ host: string }>('SELECT host(inet_server_addr()) AS host')).rows[0]?.host;

  it('leads, pauses and resumes the clients of both', async () => {
    const log = new FakeLog();
    const routes = new FakeRoutes();
    const bouncers = folders.map(
      ({ path }) =>
        new PgBouncer({
          socketDir: path,
          port,
          user: 'pgbouncer',
          password: '',
          database: 'pgbouncer',
          timeout: 10_000,
        }),
    );
    const config = await TemplatedConfig.open({ configFile: iniFile, templateFile, timeout: 10_000 }, soon());
    const keeper = new PauseKeeper({ bouncers, timeout: 10_000, log, scope: () => config.follows });
    const views = new FakeViews();
    const options = { routes, bouncers, config, views, log };
    const proxy = createProxy({ ...options, retryInterval: 5_000, lookInterval: 50 });
    const stop = new AbortController();
    const running = Promise.all([keeper.run(stop.signal), proxy.run(stop.signal)]);
    const applied = (address: string): Promise<void> =>
      eventually(() => proxy.state.kind === 'applied' && proxy.state.route.address === address);
    try {
      routes.put(FIRST);
      await applied(FIRST);
      // The kernel spreads connections over both processes; each must have some for this to prove anything.
      const served = async (): Promise<boolean> => {
        const counts = await Promise.all(bouncers.map(clientsOf));
        return counts.every((count) => count > 0);
      };
      await eventually(async () => {
        assert.equal(await whereIs(await connect()), FIRST);
        return await served();
      });
      await keeper.hold('api', { timeout: 5_000, endsAt: monotonic() + 20_000 }, undefined, soon());
      let answers = 0;
      const waiting = clients.map(async (client) => {
        const host = await whereIs(client);
        answers += 1;
        return host;
      });
      await stays(() => answers === 0, 300);
      routes.put(SECOND);
      await applied(SECOND);
      assert.equal(await keeper.release('api', soon()), 'running');
      assert.deepEqual(
        await Promise.all(waiting),
        clients.map(() => SECOND),
      );
    } finally {
      stop.abort();
      await running;
    }
  });

  async function clientsOf(bouncer: PgBouncer): Promise<number> {
    const client = new Client({
      host: bouncer.name.replace(/\/[^/]*$/, ''),
      port,
      user: 'pgbouncer',
      database: 'pgbouncer',
    });
    await client.connect();
    try {
      const { rows } = await client.query<{ database: string }>('SHOW CLIENTS');
      return rows.filter(({ database }) => database === 'app').length;
    } finally {
      await client.end();
    }
  }
});
