import type { BouncerDatabase } from '../../src/domain/bouncer.js';
import { writeFileSync } from 'node:fs';
import { FakeBouncer } from '../fakes/bouncer.js';
import { bouncerContract } from './bouncer-contract.js';
import { startPgBouncer } from './pgbouncer-server.js';
import { startPostgres } from './postgres-server.js';

bouncerContract('the fake', (host) => {
  const app = (leadsTo: string): readonly BouncerDatabase[] => [
    { name: 'app', host: leadsTo, port: 5432, paused: false },
  ];
  const bouncer = new FakeBouncer(app(host));
  bouncer.file = () => app(host);
  return Promise.resolve({
    bouncer,
    editFile: (leadsTo) => {
      bouncer.file = () => app(leadsTo);
    },
    breakFile: () => {
      bouncer.file = () => undefined;
    },
    openTransaction: () => {
      bouncer.openTransactions += 1;
      return Promise.resolve({ end: () => bouncer.endTransaction() });
    },
    freeze: () => bouncer.freeze(),
    thaw: () => bouncer.thaw(),
    stop: () => bouncer.stop(),
    start: () => bouncer.start(),
    close: () => undefined,
  });
});

bouncerContract('PgBouncer', async (host) => {
  const postgres = await startPostgres({ addresses: ['127.0.0.1', '127.0.0.2'] });
  const app = (leadsTo: string): string => `app = host=${leadsTo} port=${postgres.port} dbname=postgres`;
  const server = await startPgBouncer({ databases: app(host) });
  return {
    bouncer: server.bouncer,
    editFile: (leadsTo) => server.writeDatabases(app(leadsTo)),
    breakFile: () => writeFileSync(server.iniFile, 'this is no ini file\n'),
    openTransaction: async () => {
      const client = await server.connect('app');
      await client.query('BEGIN');
      return {
        end: async () => {
          await client.query('COMMIT');
          await client.end();
        },
      };
    },
    freeze: () => server.signal('SIGSTOP'),
    thaw: () => server.signal('SIGCONT'),
    stop: () => server.kill(),
    start: () => server.start(),
    close: async () => {
      await server.stop();
      await postgres.stop();
    },
  };
});
