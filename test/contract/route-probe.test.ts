import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { hasCode } from '../../src/domain/errors.js';
import type { LifeProbe } from '../../src/domain/route-probe.js';
import { HandshakeProbe } from '../../src/postgres/handshake-probe.js';
import { PostgresRouteProbe } from '../../src/postgres/route-probe.js';
import { eventually } from '../support/eventually.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const address = parseAddress('127.0.0.1');
/** Passes on to a port; the connections that there are can be made to say nothing any more. */
class Relay {
  connections = 0;
  /** New connections are accepted, and nothing more. */
  isMute = false;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(to: number) {
    this.#server = createServer((client) => {
      this.connections += 1;
      if (this.isMute) {
        this.#sockets.add(client);
        return;
      }
      const server = connect(to, '127.0.0.1');
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
      }
      client.pipe(server).pipe(client);
    });
  }

  static async to(port: number): Promise<Relay> {
    const relay = new Relay(port);
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  swallow(): void {
    for (const socket of this.#sockets) socket.unpipe().resume();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const soon = (): AbortSignal => AbortSignal.timeout(20_000);

describe('the probe of a route', () => {
  let primary: PostgresServer;
  let standby: PostgresServer;
  const probeOf = ({ port }: { port: number }, timeout = 10_000): PostgresRouteProbe =>
    new PostgresRouteProbe({ port, user: 'postgres', database: 'postgres', password: '', timeout });

  before(async () => {
    primary = await startPostgres();
    standby = await startPostgres({ standbyOf: primary });
  });
  after(async () => {
    await standby.stop();
    await primary.stop();
  });

  it('tells a primary from a standby, and from one that is read only', async () => {
    assert.equal(await probeOf(primary).takesWrites(address, soon()), true);
    assert.equal(await probeOf(standby).takesWrites(address, soon()), false);
    const client = await primary.connect();
    await client.query('ALTER ROLE postgres SET default_transaction_read_only = on');
    assert.equal(await probeOf(primary).takesWrites(address, soon()), false);
    await client.query('ALTER ROLE postgres RESET default_transaction_read_only');
    await client.end();
  });

  for (const [whose, setting, source] of [
    ['the role', 'ROLE postgres', 'user'],
    ['the role in the database', 'ROLE postgres IN DATABASE postgres', 'database user'],
    ['the database', 'DATABASE postgres', 'database'],
  ] as const) {
    it(`a setting of ${whose} that forbids the probe to write is trouble, and no loss`, async () => {
      const client = await primary.connect();
      const { port } = primary;
      const probe = new PostgresRouteProbe({
        ...{ port, user: 'postgres', database: 'postgres', password: '' },
        ...{ timeout: 10_000, keeps: true },
      });
      await client.query(`ALTER ${setting} SET default_transaction_read_only = on`);
      try {
        const finding = await probe.find(address, soon());
        assert.ok(finding.kind === 'accepts', finding.kind);
        assert.match(finding.trouble ?? '', /^default_transaction_read_only is on for role postgres in/);
        assert.match(finding.trouble ?? '', new RegExp(`source: ${source}\\)$`));
      } finally {
        await client.query('SET default_transaction_read_only = off');
        await client.query(`ALTER ${setting} RESET default_transaction_read_only`);
        await client.end();
      }
      // Its connection was not kept: it would go on saying so.
      assert.deepEqual(await probe.find(address, soon()), { kind: 'writes' });
      probe.close();
    });
  }

  it("the same in the server's configuration is a loss, also on a kept connection", async () => {
    const client = await primary.connect();
    const { port } = primary;
    const probe = new PostgresRouteProbe({
      ...{ port, user: 'postgres', database: 'postgres', password: '' },
      ...{ timeout: 10_000, keeps: true },
    });
    const until = (kind: string): Promise<void> =>
      eventually(async () => (await probe.find(address, soon())).kind === kind);
    await until('writes');
    try {
      await client.query('ALTER SYSTEM SET default_transaction_read_only = on');
      await client.query('select pg_reload_conf()');
      await until('read-only');
      const fresh = await probeOf(primary).find(address, soon());
      assert.equal(fresh.kind, 'read-only');
    } finally {
      await client.query('ALTER SYSTEM RESET default_transaction_read_only');
      await client.query('select pg_reload_conf()');
      await client.end();
    }
    await until('writes');
    probe.close();
  });

  for (const kind of ['with credentials', 'without'] as const) {
    const lookerOf = ({ port }: { port: number }, timeout = 10_000): LifeProbe =>
      kind === 'without'
        ? new HandshakeProbe({ port, user: 'nobody', database: 'none', timeout })
        : probeOf({ port }, timeout);
    const findingAt = async (server: { port: number }, timeout?: number): Promise<string> =>
      (await lookerOf(server, timeout).find(address, soon())).kind;

    it(`${kind}: finds out what clients would`, async () => {
      assert.equal(await findingAt(primary), kind === 'without' ? 'accepts' : 'writes');
      assert.equal(await findingAt(standby), kind === 'without' ? 'accepts' : 'read-only');
      assert.equal(await findingAt({ port: 1 }), 'gone');
      standby.signal('SIGSTOP');
      try {
        assert.equal(await findingAt(standby, 100), 'silent');
      } finally {
        standby.signal('SIGCONT');
      }
    });

    it(`${kind}: a server that is shutting down rejects clients`, async () => {
      const client = await standby.connect();
      // A smart shutdown waits for this client.
      standby.signal('SIGTERM');
      try {
        await eventually(async () => (await findingAt(standby)) === 'rejects');
      } finally {
        await client.end();
      }
      standby = await startPostgres({ standbyOf: primary });
    });

    it(`${kind}: what is no PostgreSQL takes no clients`, async () => {
      const rude = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve));
      try {
        assert.equal(await findingAt({ port: (rude.address() as AddressInfo).port }), 'gone');
      } finally {
        rude.close();
      }
    });

    it(`${kind}: gives up when it is told to`, async () => {
      await assert.rejects(lookerOf(primary).find(address, AbortSignal.abort()), (error) =>
        hasCode(error, 'aborted'),
      );
    });
  }

  it('keeps its connection, hears of its end at once, and asks on a new one then', async () => {
    const server = await startPostgres();
    const { port } = server;
    const probe = new PostgresRouteProbe({
      ...{ port, user: 'postgres', database: 'postgres', password: '' },
      ...{ timeout: 10_000, keeps: true },
    });
    let ends = 0;
    probe.watch(() => (ends += 1));
    const admin = await server.connect();
    const backends = async (): Promise<readonly number[]> => {
      const text = "select pid from pg_stat_activity where application_name = 'pgcm'";
      return (await admin.query<{ pid: number }>(text)).rows.map(({ pid }) => pid);
    };
    const find = async (): Promise<string> => (await probe.find(address, soon())).kind;
    assert.equal(await find(), 'writes');
    const [pid] = await backends();
    assert.equal(await find(), 'writes');
    assert.deepEqual(await backends(), [pid]);
    assert.equal(ends, 0);
    await admin.query('select pg_terminate_backend($1)', [pid]);
    await eventually(() => ends === 1);
    assert.equal(await find(), 'writes');
    assert.notDeepEqual(await backends(), [pid]);
    // What it is asked for another time is none of the kept connection's business.
    assert.equal(await probe.takesWrites(address, soon()), true);
    await eventually(async () => (await backends()).length === 1, {
      what: 'that connection is gone, and the kept one is there',
    });
    admin.on('error', () => undefined);
    await server.end('SIGQUIT');
    await eventually(() => ends === 2);
    assert.equal(await find(), 'gone');
    probe.close();
    await server.stop();
  });

  it('a kept connection that leads nowhere any more is replaced within the time of one question', async () => {
    const relay = await Relay.to(primary.port);
    const { port } = relay;
    const probe = new PostgresRouteProbe({
      ...{ port, user: 'postgres', database: 'postgres', password: '' },
      ...{ timeout: 5_000, keeps: true },
    });
    assert.equal((await probe.find(address, soon())).kind, 'writes');
    relay.swallow();
    assert.equal((await probe.find(address, soon())).kind, 'writes');
    assert.equal(relay.connections, 2);
    probe.close();
    await relay.close();
  });

  it('has less patience with a server that has just ended the kept connection', async () => {
    const relay = await Relay.to(primary.port);
    const probe = new PostgresRouteProbe({
      ...{ port: relay.port, user: 'postgres', database: 'postgres', password: '' },
      ...{ timeout: 1_000, keeps: true },
    });
    let ends = 0;
    probe.watch(() => (ends += 1));
    assert.equal((await probe.find(address, soon())).kind, 'writes');
    relay.isMute = true;
    relay.cut();
    await eventually(() => ends === 1);
    const found = [await probe.find(address, soon()), await probe.find(address, soon())];
    assert.deepEqual(
      found.map((finding) => 'why' in finding && /no answer within (.*)$/.exec(finding.why)?.[1]),
      ['300ms', '1s'],
    );
    probe.close();
    await relay.close();
  });

  it('asks again with less patience after a silence, and then with all of it again', async () => {
    const relay = await Relay.to(primary.port);
    relay.isMute = true;
    const probe = new PostgresRouteProbe({
      ...{ port: relay.port, user: 'postgres', database: 'postgres', password: '' },
      timeout: 500,
    });
    const found: (string | undefined)[] = [];
    while (found.length < 4) {
      const finding = await probe.find(address, soon());
      found.push('why' in finding ? /no answer within (.*)$/.exec(finding.why)?.[1] : finding.kind);
    }
    assert.deepEqual(found, ['500ms', '150ms', '500ms', '150ms']);
    probe.close();
    await relay.close();
  });

  it('a login that is refused is no reason to hold anybody, and is told', async () => {
    const client = await primary.connect();
    await client.query('CREATE ROLE locked NOLOGIN');
    await client.end();
    const probe = new PostgresRouteProbe({
      port: primary.port,
      user: 'locked',
      database: 'postgres',
      password: '',
    });
    const trouble = 'role "locked" is not permitted to log in';
    assert.deepEqual(await probe.find(address, soon()), { kind: 'accepts', trouble });
  });

  it('says who was asked when nobody listens, and when it is frozen', async () => {
    await assert.rejects(
      probeOf({ port: 1 }).takesWrites(address, soon()),
      (error) => hasCode(error, 'unavailable') && /127\.0\.0\.1, port 1, as postgres/.test(error.message),
    );
    standby.signal('SIGSTOP');
    try {
      await assert.rejects(probeOf(standby, 100).takesWrites(address, soon()), (error) =>
        hasCode(error, 'timed-out'),
      );
    } finally {
      standby.signal('SIGCONT');
    }
  });
});
