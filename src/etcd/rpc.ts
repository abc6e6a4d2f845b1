import { createRequire } from 'node:module';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Services } from 'etcd3';
import type { Milliseconds } from '../domain/time.js';

export type ServiceName = keyof typeof Services;

type ServiceClient = new (
  target: string,
  credentials: grpc.ChannelCredentials,
  options: grpc.ClientOptions,
) => grpc.Client;

/** etcd's services, from the .proto files that etcd3 carries and reads at run time. */
const serviceClients = loadServices();

function loadServices(): Readonly<Record<string, ServiceClient>> {
  const file = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
  const loaded = grpc.loadPackageDefinition(
    // As etcd3's own types have it: int64 as text, fields by their names in the .proto.
    loadSync(file, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }),
  );
  return loaded['etcdserverpb'] as unknown as Readonly<Record<string, ServiceClient>>;
}

/** A client for one service of a member, on the one connection that the member has. */
export function serviceClient(name: ServiceName, channel: grpc.Channel): grpc.Client {
  const Client = serviceClients[name];
  if (Client === undefined) throw new Error(`etcd3's rpc.proto has no service ${name}`);
  return new Client(channel.getTarget(), grpc.credentials.createInsecure(), { channelOverride: channel });
}

export interface KeepAlive {
  /** Without traffic for so long, the connection is checked. */
  readonly keepAliveTime: Milliseconds;
  /** The check has so long to be answered. */
  readonly keepAliveTimeout: Milliseconds;
}

/** etcd takes more than a ping in 5 s for an attack and closes the connection ("too many pings"). */
export const SHORTEST_KEEP_ALIVE: Milliseconds = 5_000;

export function channelOptions({ keepAliveTime, keepAliveTimeout }: KeepAlive): grpc.ChannelOptions {
  return {
    'grpc.keepalive_time_ms': Math.max(keepAliveTime, SHORTEST_KEEP_ALIVE),
    'grpc.keepalive_timeout_ms': keepAliveTimeout,
    // A new channel means a new connection: a shared one could be stuck connecting to a host that is gone.
    'grpc.use_local_subchannel_pool': 1,
    // Reconnecting is decided here, call by call; gRPC's own delays grow to two minutes.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
    // The members are neighbours: a proxy meant for the web must not get their traffic.
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_channelz': 0,
    // A listing of many keys may be larger than gRPC's default of 4 MiB.
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
  };
}
