import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { quote } from '../domain/address.js';
import { describeError, PgcmError } from '../domain/errors.js';

/** PEM texts. With cert and key, etcd is shown a client certificate. */
export interface EtcdTls {
  /** The CA that signed the members' certificates; without it, the CAs that Node trusts. */
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/** Where one etcd member serves its clients. */
export interface Endpoint {
  /** As in messages: `http://10.77.0.11:2379`. */
  readonly url: string;
  /** As gRPC wants it: `dns:10.77.0.11:2379`. */
  readonly target: string;
  readonly credentials: grpc.ChannelCredentials;
  readonly options: grpc.ChannelOptions;
}

/**
 * Reads endpoints written as `http://host:port`, `https://host:port` or `host:port` (which is http).
 * @throws PgcmError `usage` naming every endpoint that is not understood, or unusable PEM texts
 */
export function parseEndpoints(texts: readonly string[], tls: EtcdTls | undefined): readonly Endpoint[] {
  if (texts.length === 0) throw new PgcmError('usage', 'etcd: no endpoint is given');
  const bad = texts.filter((text) => parseUrl(text) === undefined).map((text) => quote(text));
  if (bad.length > 0) {
    throw new PgcmError(
      'usage',
      `etcd: not an endpoint (http://host:port, https://host:port or host:port): ${bad.join(', ')}`,
    );
  }
  return texts.flatMap((text) => {
    const url = parseUrl(text);
    return url === undefined ? [] : [endpointOf(text, url, tls)];
  });
}

function endpointOf(text: string, url: URL, tls: EtcdTls | undefined): Endpoint {
  const hostPort = `${url.hostname}:${portOf(text, url)}`;
  const secure = url.protocol === 'https:';
  const address = url.hostname.replace(/^\[|\]$/g, '');
  return {
    url: `${url.protocol}//${hostPort}`,
    // With the scheme spelled out: gRPC would take "localhost:2379" for a URI of scheme "localhost".
    target: `dns:${hostPort}`,
    credentials: secure ? tlsCredentials(tls, address) : grpc.credentials.createInsecure(),
    options: secure && isIP(address) !== 0 ? { 'grpc.ssl_target_name_override': NO_NAME } : {},
  };
}

/**
 * Where a member is known by its address alone, gRPC would send that as the TLS server name, which
 * RFC 6066 forbids and Node warns of on stderr. etcd does not look at the name.
 */
const NO_NAME = 'etcd.invalid';

function parseUrl(text: string): URL | undefined {
  const withScheme = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(withScheme)) return undefined;
  const url = new URL(withScheme);
  const bare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  return /^https?:$/.test(url.protocol) && bare && url.hostname !== '' ? url : undefined;
}

/** The URL parser drops a port that is its scheme's own: 80 is meant only where it was written. */
function portOf(text: string, url: URL): string {
  if (url.port !== '') return url.port;
  return /:\d+\/?$/.test(text) ? (url.protocol === 'https:' ? '443' : '80') : '2379';
}

function tlsCredentials(tls: EtcdTls = {}, host: string): grpc.ChannelCredentials {
  const { ca, cert, key } = tls;
  // Whatever name was sent, the certificate has to be one for the host of the endpoint.
  const verify = {
    checkServerIdentity: (_name: string, peer: PeerCertificate) => checkServerIdentity(host, peer),
  };
  try {
    // gRPC finds unusable PEM texts only when it connects, and then says so as if the host were at fault.
    createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
    return grpc.credentials.createSsl(ca ?? null, key ?? null, cert ?? null, verify);
  } catch (cause) {
    throw new PgcmError('usage', `etcd: the TLS certificates cannot be used: ${describeError(cause)}`, {
      cause,
    });
  }
}
