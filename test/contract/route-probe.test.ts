import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { hasCode } from '../../src/domain/errors.js';
import type { LifeProbe } from '../../src/domain/route-probe.js';
import { HandshakeProbe } from '../../src/postgres/handshake-probe.js';
import { PostgresRouteProbe } from '../../src/postgres/route-probe.js';
import { eventually } from '../support/eventually.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const address = parseAddress('127.0.0.1');
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

  it('a password that is refused is no reason to hold anybody', async () => {
    const client = await primary.connect();
    await client.query('CREATE ROLE locked NOLOGIN');
    await client.end();
    const probe = new PostgresRouteProbe({
      port: primary.port,
      user: 'locked',
      database: 'postgres',
      password: '',
    });
    assert.equal((await probe.find(address, soon())).kind, 'accepts');
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
