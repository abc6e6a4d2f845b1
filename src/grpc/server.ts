import * as grpc from '@grpc/grpc-js';
import { parseAddress } from '../domain/address.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { NodeService, PauseOrder } from '../domain/node-api.js';
import { untilAborted } from '../runtime/deadline.js';
import type { Service } from '../runtime/service-group.js';
import type { z } from 'zod';
import { anything, parseMessage, pauseRequest, resumeRequest, timestamp } from './messages.js';
import { failoverService } from './proto.js';
import { toServiceError } from './status.js';
import { serverCredentials, type ApiTls } from './tls.js';

export interface ApiServerOptions {
  /** host:port; an empty host means all addresses, as in Go. */
  readonly bindAddress: string;
  readonly tls: ApiTls | undefined;
  readonly log: Log;
}

/** How long a resume waits for the bouncer to lead to the target, for a client that does not say; ms. */
const DEFAULT_RESUME_TIMEOUT = 5_000;

/** How long calls under way may take to end at shutdown, in ms, before they are cut. */
const SHUTDOWN_GRACE = 2_000;

/** Serves a node's failover API until the signal is aborted. */
export function apiServer(node: NodeService, options: ApiServerOptions): Service {
  return {
    name: 'api',
    async run(signal) {
      const server = new grpc.Server();
      server.addService(failoverService(), handlers(node, options.log));
      await listen(server, options);
      await untilAborted(signal);
      await shutdown(server);
    },
  };
}

type Handlers = Record<string, grpc.UntypedHandleCall>;

function handlers(node: NodeService, log: Log): Handlers {
  return {
    health_check: unary('health_check', anything, log, async (_request, signal) => {
      const health = await node.healthCheck(signal);
      const status = (healthy: boolean): string => (healthy ? 'HEALTHY' : 'UNHEALTHY');
      return {
        status: status(health.healthy),
        node: health.node,
        parts: health.parts.map(({ part, healthy, message }) => ({
          name: part,
          status: status(healthy),
          message,
        })),
      };
    }),
    pause: unary('pause', pauseRequest, log, async (request, signal) => {
      const order = pauseOrder(request);
      const createdAt = Date.now();
      await node.pause(order, undefined, signal);
      return {
        created_at: timestamp(createdAt),
        expires_at: order.expiry === 'never' ? null : timestamp(createdAt + order.expiry),
      };
    }),
    resume: unary('resume', resumeRequest, log, async ({ address, timeout_ms }, signal) => {
      const target = address === '' ? undefined : parseAddress(address);
      await node.resume(target, timeout_ms || DEFAULT_RESUME_TIMEOUT, undefined, signal);
      return { created_at: timestamp(Date.now()) };
    }),
    migrate: unary('migrate', anything, log, async (_request, signal) => {
      const target = await node.migrate(undefined, undefined, signal);
      return { migrating_to: target.name, address: target.address, created_at: timestamp(Date.now()) };
    }),
    unmigrate: unary('unmigrate', anything, log, async (_request, signal) => {
      await node.unmigrate(undefined, signal);
      return { created_at: timestamp(Date.now()) };
    }),
    probe: unary('probe', anything, log, async (_request, signal) => {
      const { inRecovery, timeline, takesWrites } = await node.probe(signal);
      return { in_recovery: inRecovery, timeline, takes_writes: takesWrites };
    }),
  };
}

function pauseOrder(request: z.output<typeof pauseRequest>): PauseOrder {
  const timeout = request.timeout_ms || request.timeout * 1_000;
  const expiry = request.expiry_ms || request.expiry * 1_000;
  if (expiry === 0 && !request.endless) {
    throw new PgcmError(
      'usage',
      'pause: expiry is 0, which means a pause that nothing lifts; set `endless` to ask for that',
    );
  }
  return { timeout, expiry: expiry === 0 ? 'never' : expiry };
}

function unary<S extends z.ZodType>(
  rpc: string,
  schema: S,
  log: Log,
  handle: (request: z.output<S>, signal: AbortSignal) => Promise<object>,
): grpc.handleUnaryCall<unknown, object> {
  return (call, callback) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort(new PgcmError('aborted', `${rpc}: the caller gave up`)));
    const answer = async (): Promise<object> => {
      try {
        return await handle(request(schema, call.request, rpc), gone.signal);
      } catch (error) {
        log.warn(events.serverRequest, { rpc, peer: call.getPeer(), error: describeError(error) });
        throw error;
      }
    };
    answer().then(
      (response) => callback(null, response),
      (error: unknown) => callback(toServiceError(error)),
    );
  };
}

/** A request that does not parse is its sender's mistake, not a wrong answer of somebody. */
function request<S extends z.ZodType>(schema: S, message: unknown, rpc: string): z.output<S> {
  try {
    return parseMessage(schema, message, `${rpc} request`);
  } catch (error) {
    throw new PgcmError('usage', describeError(error), { cause: error });
  }
}

async function listen(server: grpc.Server, { bindAddress, tls, log }: ApiServerOptions): Promise<void> {
  const credentials = serverCredentials(tls);
  const bind = (address: string): Promise<number> =>
    new Promise((resolve, reject) => {
      server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
  const port = await bindAll(bindAddress, bind);
  log.info(events.serverListen, { address: bindAddress, port, tls: tls !== undefined });
  if (tls === undefined && !isLoopback(bindAddress)) {
    log.warn(
      events.serverInsecure,
      { address: bindAddress },
      'anybody who reaches this address can pause the clients and move the primary: set api-tls-ca, -cert and -key',
    );
  }
}

/** An empty host is every address of both families; where the kernel has no IPv6, of IPv4. */
async function bindAll(bindAddress: string, bind: (address: string) => Promise<number>): Promise<number> {
  const candidates = bindAddress.startsWith(':')
    ? [`[::]${bindAddress}`, `0.0.0.0${bindAddress}`]
    : [bindAddress];
  let failure: unknown;
  for (const address of candidates) {
    try {
      return await bind(address);
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

function isLoopback(bindAddress: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/.test(bindAddress);
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
