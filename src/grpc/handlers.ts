import type * as grpc from '@grpc/grpc-js';
import type { z } from 'zod';
import { parseAddress } from '../domain/address.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { NodeHealth, NodeService, PauseOrder, RejoinOutcome } from '../domain/node-api.js';
import { inspectionMessage, whole } from './inspection.js';
import {
  anything,
  checkpointRequest,
  migrateRequest,
  parseMessage,
  pauseRequest,
  probeRequest,
  rejoinRequest,
  resumeRequest,
  terminateRequest,
  timestamp,
  unmigrateRequest,
} from './messages.js';
import { withinPatience } from './patience.js';
import { toServiceError } from './status.js';

/** How long a resume waits for the bouncer to lead to the target, for a client that does not say; ms. */
const DEFAULT_RESUME_TIMEOUT = 5_000;

/** The same for a rejoin: the cluster manager starts a PostgreSQL. */
const DEFAULT_REJOIN_TIMEOUT = 60_000;

type Handlers = Record<string, grpc.UntypedHandleCall>;
type Call = grpc.ServerUnaryCall<unknown, object>;

/** The rpcs of a node, each from the message to the port and back. Those that it has not are `unsupported`. */
export function handlers(node: Partial<NodeService>, log: Log): Handlers {
  const unary = <S extends z.ZodType>(
    rpc: string,
    schema: S,
    handle: (request: z.output<S>, signal: AbortSignal, call: Call) => Promise<object>,
  ): grpc.handleUnaryCall<unknown, object> => handler(rpc, schema, log, handle);
  return {
    ...observers(node, unary),
    ...changers(node, unary),
  };
}

type Unary = <S extends z.ZodType>(
  rpc: string,
  schema: S,
  handle: (request: z.output<S>, signal: AbortSignal, call: Call) => Promise<object>,
) => grpc.handleUnaryCall<unknown, object>;

/** What only looks. */
function observers(node: Partial<NodeService>, unary: Unary): Handlers {
  return {
    health_check: unary('health_check', anything, async (_request, signal, call) =>
      healthMessage(await withinPatience(call, signal, (on) => has(node, 'healthCheck').healthCheck(on))),
    ),
    inspect: unary('inspect', anything, async (_request, signal, call) =>
      inspectionMessage(await withinPatience(call, signal, (on) => has(node, 'inspect').inspect(on))),
    ),
    probe: unary('probe', probeRequest, async ({ wait_ms }, signal) => {
      const { inRecovery, timeline, takesWrites } = await has(node, 'probe').probe(wait_ms, signal);
      return { in_recovery: inRecovery, timeline, takes_writes: takesWrites };
    }),
  };
}

/** What acts, on somebody's behalf. */
function changers(node: Partial<NodeService>, unary: Unary): Handlers {
  return {
    pause: unary('pause', pauseRequest, async (request, signal) => {
      const order = pauseOrder(request);
      const createdAt = Date.now();
      await has(node, 'pause').pause(order, request.mandate, signal);
      return {
        created_at: timestamp(createdAt),
        expires_at: order.expiry === 'never' ? null : timestamp(createdAt + order.expiry),
      };
    }),
    resume: unary('resume', resumeRequest, async ({ address, timeout_ms, mandate }, signal) => {
      const target = address === '' ? undefined : parseAddress(address);
      await has(node, 'resume').resume(target, timeout_ms || DEFAULT_RESUME_TIMEOUT, mandate, signal);
      return { created_at: timestamp(Date.now()) };
    }),
    migrate: unary('migrate', migrateRequest, async ({ member, mandate }, signal) => {
      const target = await has(node, 'migrate').migrate(member === '' ? undefined : member, mandate, signal);
      return { migrating_to: target.name, address: target.address, created_at: timestamp(Date.now()) };
    }),
    unmigrate: unary('unmigrate', unmigrateRequest, async ({ mandate }, signal) => {
      await has(node, 'unmigrate').unmigrate(mandate, signal);
      return { created_at: timestamp(Date.now()) };
    }),
    checkpoint: unary('checkpoint', checkpointRequest, async ({ mandate }, signal) => {
      await has(node, 'checkpoint').checkpoint(mandate, signal);
      return {};
    }),
    terminate: unary('terminate', terminateRequest, async ({ older_than_ms, mandate }, signal) => {
      const ended = await has(node, 'terminate').terminate({ olderThan: older_than_ms }, mandate, signal);
      return { backends: ended.map(({ pid, user, age }) => ({ pid, user, age_ms: whole(age) })) };
    }),
    rejoin: unary('rejoin', rejoinRequest, async ({ primary, address, timeout_ms, mandate }, signal) => {
      const order = {
        primary: { name: primary, address: parseAddress(address) },
        timeout: timeout_ms || DEFAULT_REJOIN_TIMEOUT,
      };
      return rejoinMessage(await has(node, 'rejoin').rejoin(order, mandate, signal));
    }),
  };
}

function has<M extends keyof NodeService>(node: Partial<NodeService>, method: M): Pick<NodeService, M> {
  if (node[method] === undefined) {
    throw new PgcmError('unsupported', `${method}: this program does not have it`);
  }
  return node as Pick<NodeService, M>;
}

function healthMessage({ healthy, node, parts }: NodeHealth): object {
  const status = (well: boolean): string => (well ? 'HEALTHY' : 'UNHEALTHY');
  return {
    status: status(healthy),
    node,
    parts: parts.map(({ part, healthy: well, message }) => ({ name: part, status: status(well), message })),
  };
}

function rejoinMessage(outcome: RejoinOutcome): object {
  return outcome.kind === 'streaming'
    ? { streaming: true, already: outcome.already, why: '', commands: [] }
    : { streaming: false, already: false, why: outcome.why, commands: outcome.commands };
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

function handler<S extends z.ZodType>(
  rpc: string,
  schema: S,
  log: Log,
  handle: (request: z.output<S>, signal: AbortSignal, call: Call) => Promise<object>,
): grpc.handleUnaryCall<unknown, object> {
  return (call, callback) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort(new PgcmError('aborted', `${rpc}: the caller gave up`)));
    const answer = async (): Promise<object> => {
      try {
        return await handle(request(schema, call.request, rpc), gone.signal, call);
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
