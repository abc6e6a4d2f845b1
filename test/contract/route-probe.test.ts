import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { hasCode } from '../../src/domain/errors.js';
import { PostgresRouteProbe } from '../../src/postgres/route-probe.js';
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
