import { isIPv6 } from 'node:net';
import { createSecureContext } from 'node:tls';
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
}

/**
 * Reads endpoints written as `http://host:port`, `https://host:port` or `host:port` (which is http).
 * @throws PgcmError `usage` naming every endpoint that is not understood, or unusable PEM texts
 */
export function parseEndpoints(texts: readonly string[], tls: EtcdTls | undefined): readonly Endpoint[] {
  if (texts.length === 0) throw new PgcmError('usage', 'etcd: no endpoint is given');
  const parsed = texts.map((text) => ({ text, url: parseUrl(text) }));
  const bad = parsed.filter(({ url }) => url === undefined).map(({ text }) => quote(text));
  if (bad.length > 0) {
    throw new PgcmError(
      'usage',
      `etcd: not an endpoint (http://host:port, https://host:port or host:port): ${bad.join(', ')}`,
    );
  }
  const secure = parsed.some(({ url }) => url?.protocol === 'https:') ? tlsCredentials(tls) : undefined;
  const plain = grpc.credentials.createInsecure();
  return parsed.flatMap(({ text, url }) => {
    if (url === undefined) return [];
    const hostPort = `${url.hostname}:${portOf(text, url)}`;
    const credentials = url.protocol === 'https:' && secure !== undefined ? secure : plain;
    // With the scheme spelled out: gRPC would take "localhost:2379" for a URI of scheme "localhost".
    return [{ url: `${url.protocol}//${hostPort}`, target: `dns:${hostPort}`, credentials }];
  });
}

function parseUrl(text: string): URL | undefined {
  const withScheme = text.includes('://') ? text : `http://${isIPv6(text) ? `[${text}]` : text}`;
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

function tlsCredentials(tls: EtcdTls = {}): grpc.ChannelCredentials {
  const { ca, cert, key } = tls;
  try {
    // gRPC finds unusable PEM texts only when it connects, and then says so as if the host were at fault.
    createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
    return grpc.credentials.createSsl(ca ?? null, key ?? null, cert ?? null);
  } catch (cause) {
    throw new PgcmError('usage', `etcd: the TLS certificates cannot be used: ${describeError(cause)}`, {
      cause,
    });
  }
}
