import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PostgresServer } from './postgres-server.js';
import { serverFolder, serverIdentity, ServerProcess } from './server-process.js';

/** Debian's server programs; pg_receivewal --synchronous is a walsender's other end, as a standby is. */
const program = '/usr/lib/postgresql/15/bin/pg_receivewal';

export interface WalReceiver {
  readonly process: ServerProcess;
  /** SIGKILL; the kernel tells the primary that its connection is gone. */
  end(): Promise<void>;
}

/** Streams from a primary over TCP, through a slot of its own, and flushes at once. It tries again as long as it lives. */
export async function receiveWal(
  primary: PostgresServer,
  name: string,
  {
    slot = name,
    statusInterval = 1,
  }: { readonly slot?: string | undefined; readonly statusInterval?: number | undefined } = {},
): Promise<WalReceiver> {
  const client = await primary.connect();
  try {
    const known = `SELECT FROM pg_replication_slots WHERE slot_name = '${slot}'`;
    await client.query(`SELECT pg_create_physical_replication_slot('${slot}') WHERE NOT EXISTS (${known})`);
  } finally {
    await client.end();
  }
  const folder = serverFolder('wal');
  const target = join(folder.path, name);
  mkdirSync(target);
  const identity = serverIdentity();
  if (identity !== undefined) chownSync(target, identity.uid, identity.gid);
  const source = `host=127.0.0.1 port=${primary.port} user=postgres application_name=${name}`;
  const process = new ServerProcess(program, [
    ...[
      '-d',
      source,
      '-D',
      target,
      '--synchronous',
      '--slot',
      slot,
      '--status-interval',
      String(statusInterval),
    ],
  ]);
  return {
    process,
    end: async () => {
      await process.end('SIGKILL');
      folder.remove();
    },
  };
}
