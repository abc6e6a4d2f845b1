import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

/** Binds a server where it shall listen. @returns the port; of a unix socket: 0 or 1, which means nothing */
export async function bind(
  server: grpc.Server,
  bindAddress: string,
  credentials: grpc.ServerCredentials,
  signal: AbortSignal,
): Promise<number> {
  // It prints failures to stderr in its own format; whatever keeps us from listening is told by our error.
  grpc.setLogVerbosity(grpc.logVerbosity.NONE);
  const bindOne = (address: string): Promise<number> =>
    new Promise((resolve, reject) => {
      server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
  const path = socketPath(bindAddress);
  return path === undefined ? bindTcp(bindAddress, bindOne) : bindUnix(path, bindOne, signal);
}

/** Of `unix:/path`; undefined for host:port. */
export function socketPath(bindAddress: string): string | undefined {
  return bindAddress.startsWith('unix:') ? bindAddress.slice('unix:'.length) : undefined;
}

/** An empty host is every address of both families; where the kernel has no IPv6, of IPv4. */
async function bindTcp(bindAddress: string, bindOne: (address: string) => Promise<number>): Promise<number> {
  const candidates = bindAddress.startsWith(':')
    ? [`[::]${bindAddress}`, `0.0.0.0${bindAddress}`]
    : [bindAddress];
  let failure: unknown;
  for (const address of candidates) {
    try {
      return await bindOne(address);
    } catch (error) {
      failure = error;
      if (/EADDRINUSE/.test(describeError(error))) {
        throw new PgcmError(
          'port-in-use',
          `bind-address ${bindAddress}: another program listens there (\`ss -ltnp\` names it)`,
          { cause: error },
        );
      }
    }
  }
  throw new PgcmError('unavailable', `bind-address ${bindAddress}: cannot listen there`, { cause: failure });
}

/** How long a program that listens on the socket may take to accept; one that is gone refuses at once. */
const PROBE_TIMEOUT: Milliseconds = 1_000;

/** Only this user may connect. A socket that a dead program left behind is removed. */
async function bindUnix(
  path: string,
  bindOne: (address: string) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await removeStale(path, signal);
  try {
    const port = await bindOne(`unix:${path}`);
    await chmod(path, 0o600);
    return port;
  } catch (cause) {
    throw new PgcmError('unavailable', `cannot listen on the socket ${path}`, { cause });
  }
}

async function removeStale(path: string, signal: AbortSignal): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new PgcmError('unavailable', `cannot listen on the socket ${path}`, { cause: error });
  });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new PgcmError(
      'port-in-use',
      `cannot listen on the socket ${path}: a file that is no socket is there`,
    );
  }
  if (await isServed(path, signal)) {
    throw new PgcmError(
      'port-in-use',
      `cannot listen on the socket ${path}: another program does (\`ss -lxp\` names it)`,
    );
  }
  await unlink(path);
}

/** A program that is frozen accepts, too: the kernel does it. */
function isServed(path: string, signal: AbortSignal): Promise<boolean> {
  return runWithDeadline(`connecting to ${path}`, PROBE_TIMEOUT, signal, async (on) => {
    const socket = connect({ path, signal: on });
    try {
      return await new Promise<boolean>((resolve, reject) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', (error: NodeJS.ErrnoException) => {
          if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
          // EAGAIN: its queue of connections is full, so somebody listens.
          else if (error.code === 'EAGAIN') resolve(true);
          else reject(error);
        });
      });
    } finally {
      socket.destroy();
    }
  });
}
