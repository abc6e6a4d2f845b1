import type * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { packageFile } from '../runtime/package-root.js';

/** The service's definition, read from the .proto file that ships with pgcm. */
export function failoverService(): grpc.ServiceDefinition {
  const definition = loadSync(packageFile('proto', 'failover.proto'), {
    keepCase: true, // the rpcs and fields have lower-case names with underscores on the wire
    longs: String,
    enums: String,
    defaults: true,
  });
  const service = definition['failover.Failover'];
  if (service === undefined || 'format' in service)
    throw new Error('proto/failover.proto has no service failover.Failover');
  return service;
}
