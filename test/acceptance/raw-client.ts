import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/**
 * A client of the failover API as somebody else would write it, from the .proto alone: nothing of
 * pgcm's code is used. Run in a host: `node raw-client.js HOST:PORT RPC [REQUEST-AS-JSON]`; prints the
 * response as JSON, or the status as `{"code": ..., "details": ...}` with exit status 1.
 */
const [endpoint = '', rpc = '', request = '{}'] = process.argv.slice(2);
const proto = join(import.meta.dirname, '..', '..', '..', 'proto', 'failover.proto');
const loaded = grpc.loadPackageDefinition(loadSync(proto, { keepCase: true, longs: String, enums: String }));
const { Failover } = loaded['failover'] as { Failover: grpc.ServiceClientConstructor };
const client = new Failover(endpoint, grpc.credentials.createInsecure());

type Method = (request: unknown, done: (error: grpc.ServiceError | null, response: unknown) => void) => void;
(client[rpc] as Method).call(client, JSON.parse(request), (error, response) => {
  console.log(JSON.stringify(error ? { code: grpc.status[error.code], details: error.details } : response));
  client.close();
  process.exitCode = error ? 1 : 0;
});
