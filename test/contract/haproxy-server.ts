import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { giveToServer } from './pgbouncer-server.js';
import { serverFolder, ServerProcess } from './server-process.js';

export const HAPROXY = '/usr/sbin/haproxy';

export interface HaproxyServer {
  readonly folder: string;
  readonly file: string;
  /** What reloads it, as `systemctl reload haproxy` does. */
  readonly reload: readonly string[];
  readonly output: string;
  /** Starts it with the file as it is. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A place for an HAProxy in a temporary folder, not started: its file is an output's. */
export function haproxyServer(): HaproxyServer {
  const folder = serverFolder('haproxy');
  const file = join(folder.path, 'haproxy.cfg');
  const script = join(folder.path, 'reload');
  let server: ServerProcess | undefined;
  return {
    folder: folder.path,
    file,
    reload: [script],
    get output() {
      return server?.output ?? '';
    },
    start: async () => {
      const started = new ServerProcess(HAPROXY, ['-W', '-f', file]);
      server = started;
      // A SIGUSR2 before that would end it.
      await eventually(() => started.output.includes('Loading success'), {
        limit: 10_000,
        what: 'HAProxy runs',
      });
      writeFileSync(script, `#!/bin/sh\nexec kill -USR2 ${started.pid}\n`);
      chmodSync(script, 0o755);
      giveToServer(script, 0o755);
    },
    stop: async () => {
      await server?.end('SIGTERM');
      folder.remove();
    },
  };
}
