import * as grpc from '@grpc/grpc-js';
import type { z } from 'zod';
import { parseAddress } from '../domain/address.js';
import { PgcmError } from '../domain/errors.js';
import type { NodeApi } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { anything, healthCheckResponse, migrateResponse, parseMessage, probeResponse } from './messages.js';
import { failoverService } from './proto.js';
import { fromServiceError } from './status.js';
import { clientCredentials, type ApiTls } from './tls.js';

/** Time beyond its own that an rpc with a timeout in it may take: the server ends the wait, and says why. */
const ANSWER_GRACE: Milliseconds = 1_000;

/** A client of one node's failover API; also of a pgsql-cluster-manager's. */
export function nodeApi(endpoint: string, tls: ApiTls | undefined): NodeApi {
  // No retries: each call here is tried again, or not, by somebody who knows what it does.
  const client = new grpc.Client(endpoint, clientCredentials(tls), { 'grpc.enable_retries': 0 });
  const service = failoverService();

  const call = async <S extends z.ZodType>(
    rpc: string,
    request: object,
    schema: S,
    timeout: Milliseconds,
    signal: AbortSignal,
  ): Promise<z.output<S>> => {
    const what = `${rpc} on ${endpoint}`;
    const response = await runWithDeadline(what, timeout, signal, (on) =>
      unary(client, service, rpc, request, on, what),
    );
    return parseMessage(schema, response, `${what}: the answer`);
  };

  return {
    endpoint,
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
    async pause({ timeout, expiry }, _mandate, signal) {
      const expiryMs = expiry === 'never' ? 0 : expiry;
      const request = {
        // An older server reads whole seconds: rounded up, as 0 would mean "never" there.
        timeout: Math.ceil(timeout / 1_000),
        expiry: Math.ceil(expiryMs / 1_000),
        timeout_ms: String(Math.ceil(timeout)),
        expiry_ms: String(Math.ceil(expiryMs)),
        endless: expiry === 'never',
      };
      await call('pause', request, anything, timeout + ANSWER_GRACE, signal);
    },
    async resume(target, timeout, _mandate, signal) {
      const request = { address: target ?? '', timeout_ms: String(Math.ceil(timeout)) };
      await call('resume', request, anything, timeout + ANSWER_GRACE, signal);
    },
    async migrate(_member, _mandate, timeout, signal) {
      const answer = await call('migrate', {}, migrateResponse, timeout, signal);
      return { name: answer.migrating_to, address: parseAddress(answer.address) };
    },
    async unmigrate(_mandate, timeout, signal) {
      await call('unmigrate', {}, anything, timeout, signal);
    },
    async probe(timeout, signal) {
      const answer = await call('probe', {}, probeResponse, timeout, signal);
      return { inRecovery: answer.in_recovery, timeline: answer.timeline, takesWrites: answer.takes_writes };
    },
    inspect: () => notYet('inspect'),
    checkpoint: () => notYet('checkpoint'),
    terminate: () => notYet('terminate'),
    rejoin: () => notYet('rejoin'),
    close: () => client.close(),
  };
}

function notYet(rpc: string): Promise<never> {
  return Promise.reject(new PgcmError('unsupported', `${rpc} is not there yet`));
}

function unary(
  client: grpc.Client,
  service: grpc.ServiceDefinition,
  rpc: string,
  request: object,
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
