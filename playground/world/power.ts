import { createServer, type Socket } from 'node:net';
import { chmodSync } from 'node:fs';
import { onLine } from '../lines.js';
import { messageOf } from '../errors.js';
import type { Host } from './host.js';

/**
 * The rack's power switch, which the nodes' fencing agent talks to. A line `off NAME` or `status NAME`
 * is answered by one line: `off`, `on` or `error TEXT`. `off` is answered only once no process of that
 * host is left.
 */
export class PowerSwitch {
  /** false makes `off` fail, as a switch does whose own power or network is gone. */
  works = true;
  refused = 0;

  constructor(private readonly hosts: ReadonlyMap<string, Host>) {}

  /** @param path of the unix socket, in a folder that every host sees */
  listen(path: string): Promise<void> {
    const server = createServer((socket) => this.serve(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        chmodSync(path, 0o666);
        resolve();
      });
    });
  }

  private serve(socket: Socket): void {
    // A node that is fenced or fences itself takes its connection with it.
    socket.on('error', () => socket.destroy());
    onLine(socket, (line) => {
      void this.answer(line).then((answer) => {
        if (!socket.destroyed) socket.write(`${answer}\n`);
      });
    });
  }

  private async answer(line: string): Promise<string> {
    const [command, name = ''] = line.trim().split(/\s+/);
    const host = this.hosts.get(name);
    if (host === undefined) return `error no outlet for '${name}'`;
    if (command === 'status') return host.status().power === 'off' ? 'off' : 'on';
    if (command !== 'off') return `error unknown command '${command ?? ''}'`;
    if (!this.works) {
      this.refused++;
      return 'error the switch was told to fail';
    }
    try {
      await host.fence();
      return 'off';
    } catch (error) {
      return `error ${messageOf(error).replaceAll('\n', ' ')}`;
    }
  }
}
