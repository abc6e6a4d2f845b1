import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { PgBouncer } from '../../src/pgbouncer/console.js';
import { eventually } from '../support/eventually.js';
import { freePort, serverFolder, serverIdentity, ServerProcess } from './server-process.js';

export interface PgBouncerServer {
  readonly port: number;
  /** The folder of its unix socket, its ini file and its log. */
  readonly folder: string;
  readonly iniFile: string;
  readonly socket: string;
  /** The part of the ini after [databases]: for a template. */
  readonly settings: string;
  /** Our own console adapter to it. */
  readonly bouncer: PgBouncer;
  readonly running: boolean;
  /** Writes [databases] and the settings. Without effect until a RELOAD. */
  writeDatabases(databases: string): void;
  /** A client's connection through it, over TCP. The caller ends it. */
  connect(database: string): Promise<Client>;
  /** Rows of a command on its console, by a way of its own. */
  console(command: string): Promise<Record<string, unknown>[]>;
  log(): string;
  signal(name: NodeJS.Signals): void;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts it again, with its files as they are. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

export interface PgBouncerServerOptions {
  /** Lines of [databases]. */
  readonly databases: string;
  /** More lines of [pgbouncer]. */
  readonly settings?: string;
  /** For each console command of `bouncer`. */
  readonly timeout?: number;
  readonly user?: string;
  readonly password?: string;
}

/** `secret` is the console's password where a test asks for one. */
const USERS = '"postgres" ""\n"pgbouncer" "secret"\n"visitor" ""\n';

/** A PgBouncer in transaction pooling, in a temporary folder on a free loopback port. */
export async function startPgBouncer(options: PgBouncerServerOptions): Promise<PgBouncerServer> {
  const { databases, timeout = 10_000, user = 'pgbouncer', password = '' } = options;
  const folder = serverFolder('bouncer');
  const port = await freePort();
  const iniFile = join(folder.path, 'pgbouncer.ini');
  const logFile = join(folder.path, 'pgbouncer.log');
  const userFile = join(folder.path, 'users');
  writeFileSync(userFile, USERS);
  giveToServer(userFile, 0o640);
  const settings = `[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir = ${folder.path}
logfile = ${logFile}
pidfile = ${join(folder.path, 'pgbouncer.pid')}
auth_type = trust
auth_file = ${userFile}
admin_users = pgbouncer
pool_mode = transaction
${options.settings ?? ''}
`;
  const writeDatabases = (lines: string): void => {
    writeFileSync(iniFile, `[databases]\n${lines}\n${settings}`);
    giveToServer(iniFile, 0o640);
  };
  const console = async (command: string): Promise<Record<string, unknown>[]> => {
    const client = new Client({
      host: '127.0.0.1',
      port,
      user: 'pgbouncer',
      database: 'pgbouncer',
      password: 'secret',
      ssl: false,
    });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(command)).rows;
    } finally {
      await client.end();
    }
  };
  let server: ServerProcess | undefined;
  const start = async (): Promise<void> => {
    const started = new ServerProcess(
      existsSync('/usr/sbin/pgbouncer') ? '/usr/sbin/pgbouncer' : 'pgbouncer',
      [iniFile],
    );
    server = started;
    await eventually(async () => {
      if (!started.running) throw new Error(`PgBouncer ended: ${started.output}`);
      return console('SHOW VERSION').then(
        () => true,
        () => false,
      );
    });
  };
  const stop = async (): Promise<void> => {
    // SIGTERM is "at once" in this version.
    await server?.end('SIGTERM');
    folder.remove();
  };
  writeDatabases(databases);
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    folder: folder.path,
    iniFile,
    socket: join(folder.path, `.s.PGSQL.${port}`),
    settings,
    bouncer: new PgBouncer({ socketDir: folder.path, port, user, password, database: 'pgbouncer', timeout }),
    get running() {
      return server?.running ?? false;
    },
    writeDatabases,
    connect: async (database) => {
      const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database, ssl: false });
      client.on('error', () => undefined);
      await client.connect();
      return client;
    },
    console,
    log: () => readFileSync(logFile, 'utf8'),
    signal: (name) => server?.signal(name),
    kill: async () => server?.end('SIGKILL'),
    start,
    stop,
  };
}

/** Gives a file to the user the servers run as. */
export function giveToServer(path: string, mode: number): void {
  const identity = serverIdentity();
  if (identity !== undefined) chownSync(path, identity.uid, identity.gid);
  chmodSync(path, mode);
}
