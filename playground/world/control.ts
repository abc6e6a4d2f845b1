import { createServer, type Socket } from 'node:net';
import { firstLine } from '../lines.js';
import { messageOf } from '../errors.js';
import type { ControlReply, ControlRequest } from '../protocol.js';
import type { World } from './world.js';

/** Serve the commands from outside. */
export function serveControl(world: World, path: string): Promise<void> {
  const server = createServer((socket) => serve(world, socket));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

function serve(world: World, socket: Socket): void {
  socket.on('error', () => socket.destroy());
  void firstLine(socket).then((line) => {
    void answer(world, line).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
  });
}

async function answer(world: World, line: string): Promise<ControlReply> {
  try {
    await obey(world, JSON.parse(line) as ControlRequest);
    return { ok: true, world: world.status() };
  } catch (error) {
    return { ok: false, error: messageOf(error) };
  }
}

async function obey(world: World, request: ControlRequest): Promise<void> {
  switch (request.command) {
    case 'status':
      return;
    case 'kill':
      return world.host(request.host).powerOff('killed');
    case 'start':
      return world.host(request.host).start();
    case 'cut':
      return world.host(request.host).setCable('cut');
    case 'heal':
      return world.host(request.host).setCable('plugged');
    case 'fencing':
      world.power.works = request.works;
      return;
    default:
      throw new Error(`unknown command ${JSON.stringify(request satisfies never)}`);
  }
}
