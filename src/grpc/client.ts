import * as grpc from '@grpc/grpc-js';
import type { z } from 'zod';
import { parseAddress } from '../domain/address.js';
import type { NodeApi, PauseOrder } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { inspectionOf, inspectResponse, whole } from './inspection.js';
import {
  anything,
  healthCheckResponse,
  mandateMessage,
  migrateResponse,
  parseMessage,
  probeResponse,
  rejoinResponse,
  terminateResponse,
} from './messages.js';
import { announcedPatience } from './patience.js';
import { failoverService } from './proto.js';
import { fromServiceError } from './status.js';
import { clientCredentials, type ApiTls } from './tls.js';

/** Time beyond its own that an rpc with a timeout in it may take: the server ends the wait, and says why. */
const ANSWER_GRACE: Milliseconds = 1_000;

const CHANNEL = {
  // Each call here is tried again, or not, by somebody who knows what it does.
  'grpc.enable_retries': 0,
  // A server that is back after a restart is found at once: the default waits up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
} as const;

type Call = <S extends z.ZodType>(
  rpc: string,
  request: object,
  schema: S,
  timeout: Milliseconds,
  signal: AbortSignal,
) => Promise<z.output<S>>;

/**
 * A client of one node's failover API; also of a pgsql-cluster-manager's.
 * @param endpoint host:port or unix:/path
 */
export function nodeApi(endpoint: string, tls: ApiTls | undefined): NodeApi {
  const client = new grpc.Client(endpoint, clientCredentials(tls), CHANNEL);
  const call = caller(client, endpoint);
  return { endpoint, ...observers(call), ...changers(call), close: () => client.close() };
}

function caller(client: grpc.Client, endpoint: string): Call {
  const service = failoverService();
  return async (rpc, request, schema, timeout, signal) => {
    const what = `${rpc} on ${endpoint}`;
    const response = await runWithDeadline(what, timeout, signal, (on) =>
      unary(client, service, rpc, { request, timeout }, on, what),
    );
    return parseMessage(schema, response, `${what}: the answer`);
  };
}

/** What only looks. */
function observers(call: Call): Pick<NodeApi, 'healthCheck' | 'inspect' | 'probe'> {
  return {
    async healthCheck(timeout, signal) {
      const health = await call('health_check', {}, healthCheckResponse, timeout, signal);
      return {
        healthy: health.status === 'HEALTHY',
        node: health.node,
        parts: health.parts.map(({ name, status, message }) => ({
          part: name,
          healthy: status === 'HEALTHY',
          message,
        })),
      };
    },
    async inspect(timeout, signal) {
      return inspectionOf(await call('inspect', {}, inspectResponse, timeout, signal));
    },
    async probe(wait, timeout, signal) {
      const answer = await call('probe', { wait_ms: wait }, probeResponse, wait + timeout, signal);
      return { inRecovery: answer.in_recovery, timeline: answer.timeline, takesWrites: answer.takes_writes };
    },
  };
}

/** What acts. */
function changers(call: Call): Omit<NodeApi, 'endpoint' | 'close' | 'healthCheck' | 'inspect' | 'probe'> {
  return {
    async pause(order, mandate, signal) {
      const request = { ...pauseMessage(order), ...mandateMessage(mandate) };
      await call('pause', request, anything, order.timeout + ANSWER_GRACE, signal);
    },
    async resume(target, timeout, mandate, signal) {
      const request = { address: target ?? '', timeout_ms: span(timeout), ...mandateMessage(mandate) };
      await call('resume', request, anything, timeout + ANSWER_GRACE, signal);
    },
    async migrate(member, mandate, timeout, signal) {
      const request = { member: member ?? '', ...mandateMessage(mandate) };
      const answer = await call('migrate', request, migrateResponse, timeout, signal);
      return { name: answer.migrating_to, address: parseAddress(answer.address) };
    },
    async unmigrate(mandate, timeout, signal) {
      await call('unmigrate', mandateMessage(mandate), anything, timeout, signal);
    },
    async checkpoint(mandate, timeout, signal) {
      await call('checkpoint', mandateMessage(mandate), anything, timeout, signal);
    },
    async terminate({ olderThan }, mandate, timeout, signal) {
      const request = { older_than_ms: whole(olderThan), ...mandateMessage(mandate) };
      const { backends } = await call('terminate', request, terminateResponse, timeout, signal);
      return backends.map(({ pid, user, age_ms: age }) => ({ pid, user, age }));
    },
    async rejoin({ primary, timeout }, mandate, signal) {
      const request = {
        primary: primary.name,
        address: primary.address,
        timeout_ms: span(timeout),
        ...mandateMessage(mandate),
      };
      const answer = await call('rejoin', request, rejoinResponse, timeout + ANSWER_GRACE, signal);
      return answer.streaming
        ? { kind: 'streaming', already: answer.already }
        : { kind: 'refused', why: answer.why, commands: answer.commands };
    },
  };
}

function pauseMessage({ timeout, expiry }: PauseOrder): object {
  const expiryMs = expiry === 'never' ? 0 : expiry;
  return {
    // An older server reads whole seconds: rounded up, as 0 would mean "never" there.
    timeout: Math.ceil(timeout / 1_000),
    expiry: Math.ceil(expiryMs / 1_000),
    timeout_ms: span(timeout),
    expiry_ms: span(expiryMs),
    endless: expiry === 'never',
  };
}

/** Rounded up, as 0 has a meaning of its own. */
function span(ms: Milliseconds): string {
  return String(Math.ceil(ms));
}

function unary(
  client: grpc.Client,
  service: grpc.ServiceDefinition,
  rpc: string,
  { request, timeout }: { readonly request: object; readonly timeout: Milliseconds },
  signal: AbortSignal,
  what: string,
): Promise<unknown> {
  const method = service[rpc];
  if (method === undefined) throw new Error(`proto/failover.proto has no rpc ${rpc}`);
  return new Promise((resolve, reject) => {
    const underWay = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      announcedPatience(timeout),
      (error, response) => {
        signal.removeEventListener('abort', onAbort);
        if (error) reject(fromServiceError(error, what));
        else resolve(response);
      },
    );
    const onAbort = (): void => underWay.cancel();
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
