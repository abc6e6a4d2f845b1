import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { freePort, serverFolder, serverIdentity, ServerProcess } from './server-process.js';

/** Debian keeps the server's programs out of PATH, by version. */
const BINARIES = '/usr/lib/postgresql/15/bin';

export interface PostgresServer {
  readonly port: number;
  /** The folder of its unix socket. */
  readonly folder: string;
  readonly pid: number;
  /** A connection of the superuser `postgres`, which the caller ends. */
  connect(database?: string): Promise<Client>;
  signal(name: NodeJS.Signals): void;
  /** Ends it at once (SIGQUIT) and removes its data. */
  stop(): Promise<void>;
}

/**
 * An empty PostgreSQL 15 in a temporary folder, on a free port of the addresses given: two loopback
 * addresses make one server look like two hosts to a client. Everybody may connect as anybody.
 */
export async function startPostgres({
  addresses = ['127.0.0.1'],
  settings = {},
}: {
  addresses?: readonly string[];
  settings?: Readonly<Record<string, string>>;
} = {}): Promise<PostgresServer> {
  const folder = serverFolder('pg');
  const data = join(folder.path, 'data');
  const identity = serverIdentity();
  execFileSync(
    binary('initdb'),
    [
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '--no-sync',
      '--no-instructions',
      '-E',
      'UTF8',
      '--locale=C',
    ],
    { ...identity, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const port = await freePort();
  const all: Readonly<Record<string, string>> = {
    listen_addresses: addresses.join(','),
    port: String(port),
    unix_socket_directories: folder.path,
    shared_buffers: '16MB',
    fsync: 'off',
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'\n`);
  appendFileSync(join(data, 'postgresql.conf'), lines.join(''));
  const server = new ServerProcess(binary('postgres'), ['-D', data]);
  const connect = async (database = 'postgres'): Promise<Client> => {
    const client = new Client({ host: folder.path, port, user: 'postgres', database, ssl: false });
    // Tests stop servers under their clients.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  const stop = async (): Promise<void> => {
    await server.end('SIGQUIT');
    folder.remove();
  };
  try {
    await eventually(async () => {
      if (!server.running) throw new Error(`PostgreSQL ended: ${server.output}`);
      return connect().then(
        (client) => client.end().then(() => true),
        () => false,
      );
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, folder: folder.path, pid: server.pid, connect, signal: (name) => server.signal(name), stop };
}

function binary(name: string): string {
  const path = join(BINARIES, name);
  return existsSync(path) ? path : name;
}
