import * as grpc from '@grpc/grpc-js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { NodeService } from '../domain/node-api.js';
import { untilAborted } from '../runtime/deadline.js';
import type { Service } from '../runtime/service-group.js';
import { handlers } from './handlers.js';
import { bind, socketPath } from './listen.js';
import { failoverService } from './proto.js';
import { serverCredentials, type ApiTls } from './tls.js';

export interface ApiServerOptions {
  /** host:port; an empty host means all addresses, as in Go. Or unix:/path, for this user only. */
  readonly bindAddress: string;
  readonly tls: ApiTls | undefined;
  readonly log: Log;
}

/** A server as a service. */
export interface ApiServer extends Service {
  /** Resolves when it listens; never, if it cannot (`run` says why). */
  readonly listening: Promise<void>;
}

/** How long calls under way may take to end at shutdown, in ms, before they are cut. */
const SHUTDOWN_GRACE = 2_000;

/** Serves the failover API until the signal is aborted; a node that has only some rpcs answers the others with `unsupported`. */
export function apiServer(node: Partial<NodeService>, options: ApiServerOptions): ApiServer {
  let listens = (): void => undefined;
  const listening = new Promise<void>((resolve) => (listens = resolve));
  return {
    name: 'api',
    listening,
    async run(signal) {
      const server = new grpc.Server();
      server.addService(failoverService(), handlers(node, options.log));
      await listen(server, options, signal);
      listens();
      await untilAborted(signal);
      await shutdown(server);
    },
  };
}

async function listen(
  server: grpc.Server,
  { bindAddress, tls, log }: ApiServerOptions,
  signal: AbortSignal,
): Promise<void> {
  const port = await bind(server, bindAddress, serverCredentials(tls), signal);
  log.info(events.serverListen, { address: bindAddress, port, tls: tls !== undefined });
  if (tls === undefined && !isLocal(bindAddress)) {
    log.warn(
      events.serverInsecure,
      { address: bindAddress },
      'anybody who reaches this address can pause the clients and move the primary: set api-tls-ca, -cert and -key',
    );
  }
}

function isLocal(bindAddress: string): boolean {
  return (
    socketPath(bindAddress) !== undefined || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/.test(bindAddress)
  );
}

async function shutdown(server: grpc.Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const cut = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, SHUTDOWN_GRACE);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}
