import { Socket } from 'node:net';
import type { Address } from '../domain/address.js';
import { hasCode } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

/** Whether anything takes a connection on this port. Nothing that is heard within the deadline is a no, as of a host that is off. */
export async function listens(
  address: Address,
  port: number,
  within: Milliseconds,
  signal: AbortSignal,
): Promise<boolean> {
  const socket = new Socket();
  try {
    return await runWithDeadline(`${address}, port ${port}`, within, signal, () =>
      connects(socket, address, port),
    );
  } catch (error) {
    if (hasCode(error, 'timed-out')) return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

function connects(socket: Socket, host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    // Refused, or no way there.
    socket.once('error', () => resolve(false));
    socket.connect({ host, port });
  });
}
