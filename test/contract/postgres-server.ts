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
  /** Its data directory. */
  readonly data: string;
  /** A connection of the superuser `postgres`, which the caller ends. */
  connect(database?: string): Promise<Client>;
  signal(name: NodeJS.Signals): void;
  /** Ends it with SIGINT (a fast stop), SIGQUIT (a crash) or SIGKILL; its data stay. */
  end(name: 'SIGINT' | 'SIGQUIT'): Promise<void>;
  /** Makes a standby a primary, and waits until it is one. */
  promote(): Promise<void>;
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
  standbyOf,
}: {
  addresses?: readonly string[];
  settings?: Readonly<Record<string, string>>;
  /** Starts from a base backup of that server, and follows it. */
  standbyOf?: PostgresServer;
} = {}): Promise<PostgresServer> {
  const folder = serverFolder('pg');
  const data = join(folder.path, 'data');
  const identity = serverIdentity();
  const run = (name: string, ...args: string[]): void => {
    execFileSync(binary(name), args, { ...identity, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
  };
  if (standbyOf === undefined) {
    const access = ['-U', 'postgres', '-A', 'trust'];
    run('initdb', '-D', data, ...access, '--no-sync', '--no-instructions', '-E', 'UTF8', '--locale=C');
  } else {
    const source = `host=${standbyOf.folder} port=${standbyOf.port} user=postgres application_name=standby`;
    run('pg_basebackup', '-D', data, '-d', source, '-R', '-c', 'fast', '-X', 'stream', '--no-sync');
  }
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
  const promote = async (): Promise<void> => {
    const client = await connect();
    try {
      await client.query('SELECT pg_promote()');
    } finally {
      await client.end();
    }
  };
  return {
    port,
    folder: folder.path,
    pid: server.pid,
    data,
    connect,
    signal: (name) => server.signal(name),
    end: (name) => server.end(name),
    promote,
    stop,
  };
}

function binary(name: string): string {
  const path = join(BINARIES, name);
  return existsSync(path) ? path : name;
}
