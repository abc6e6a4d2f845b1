import type * as grpc from '@grpc/grpc-js';
import {
  loadSync,
  type AnyDefinition,
  type MessageTypeDefinition,
  type PackageDefinition,
} from '@grpc/proto-loader';
import { packageFile } from '../runtime/package-root.js';

/** The service's definition, read from the .proto file that ships with pgcm. */
export function failoverService(): grpc.ServiceDefinition {
  const definition = loadSync(packageFile('proto', 'failover.proto'), {
    keepCase: true, // the rpcs and fields have lower-case names with underscores on the wire
    longs: String,
    enums: String,
    defaults: true,
  });
  compile(definition);
  const service = definition['failover.Failover'];
  if (service === undefined || 'format' in service)
    throw new Error('proto/failover.proto has no service failover.Failover');
  return service;
}

/**
 * protobufjs writes the code for a message when the first one is sent or comes. Some are sent only while clients wait: to write
 * all of them now takes a start 25 ms, and the first switchover as much less.
 */
function compile(definition: PackageDefinition): void {
  for (const type of Object.values(definition)) {
    if (isMessage(type)) type.deserialize(type.serialize({}));
  }
}

function isMessage(type: AnyDefinition): type is MessageTypeDefinition<object, object> {
  return type['format'] === 'Protocol Buffer 3 DescriptorProto';
}
