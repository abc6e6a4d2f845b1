import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Milliseconds } from '../domain/time.js';
import { untilAborted } from '../runtime/deadline.js';
import type { Service } from '../runtime/service-group.js';

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What is at one path. It answers from what is known: nobody is asked for it. */
export type Page = (query: URLSearchParams) => Reply | Promise<Reply>;

export interface HttpServerOptions {
  /** As the operator wrote it, for messages. */
  readonly address: string;
  /** Undefined: every address of this machine. */
  readonly host: string | undefined;
  readonly port: number;
  readonly pages: ReadonlyMap<string, Page>;
  readonly log: Log;
}

export interface HttpServer extends Service {
  /** Resolves with the port when it listens; never, if it cannot (`run` says why). */
  readonly listening: Promise<number>;
}

/** A health check is a line and a few headers; who is slower than this is cut off, and nobody waits for them. */
const HEADERS_WITHIN: Milliseconds = 2_000;
const IDLE: Milliseconds = 10_000;
const LARGEST_HEADERS = 4_096;
const LONGEST_URL = 1_024;
/** More than all load balancers and a scraper open at once. */
const MOST_CONNECTIONS = 128;
/** For answers under way at the end, which take milliseconds. */
const SHUTDOWN_GRACE: Milliseconds = 250;

const NO_QUERY = new URLSearchParams();

/** Answers GET and HEAD until the signal is aborted. Nothing of a request but its first line is looked at. */
export function httpServer(options: HttpServerOptions): HttpServer {
  const { promise: listening, resolve: listens } = withResolver<number>();
  return {
    name: 'http',
    listening,
    async run(signal) {
      const server = createServer(
        {
          maxHeaderSize: LARGEST_HEADERS,
          headersTimeout: HEADERS_WITHIN,
          requestTimeout: HEADERS_WITHIN,
          keepAliveTimeout: IDLE,
          connectionsCheckingInterval: HEADERS_WITHIN / 2,
        },
        (request, response) => void answer(request, response, options),
      );
      server.maxConnections = MOST_CONNECTIONS;
      // Also one that does not read its answer.
      server.setTimeout(IDLE);
      const port = await listen(server, options);
      // A connection's trouble is its client's; the server goes on.
      server.on('error', (error) => options.log.warn(events.serverRequest, { error: describeError(error) }));
      options.log.info(events.serverListen, { address: options.address, port, protocol: 'http' });
      listens(port);
      await untilAborted(signal);
      await shutdown(server);
    },
  };
}

function withResolver<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: ((value: T) => void) | undefined;
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve: (value) => resolve?.(value) };
}

function listen(server: Server, { host, port, address }: HttpServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException): void => reject(refusal(cause, address, port));
    server.once('error', onError);
    server.listen({ port, host, exclusive: true }, () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function refusal(cause: NodeJS.ErrnoException, address: string, port: number): PgcmError {
  if (cause.code !== 'EADDRINUSE') {
    return new PgcmError('unavailable', `http-address ${address}: cannot listen there`, { cause });
  }
  const text =
    `http-address ${address}: another program listens on port ${port} (\`ss -ltnp\` names it); choose another ` +
    'port, or off. If it is the other daemon of this machine, leave the port out: each then takes its own';
  return new PgcmError('port-in-use', text, { cause });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { pages, log }: HttpServerOptions,
): Promise<void> {
  // Its client may go away at any time.
  request.on('error', () => response.destroy());
  response.on('error', () => response.destroy());
  try {
    send(request, response, await replyTo(request, pages));
  } catch (error) {
    log.error(events.serverRequest, { path: pathOf(request).path, error: describeError(error) });
    send(request, response, plain(500, 'an internal error; the log says which'));
  }
}

async function replyTo(request: IncomingMessage, pages: ReadonlyMap<string, Page>): Promise<Reply> {
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'only GET and HEAD');
  const length = headers['content-length'];
  if (headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')) {
    return plain(413, 'no body is read here');
  }
  if ((request.url ?? '').length > LONGEST_URL) return plain(414, 'too long');
  const { path, query } = pathOf(request);
  const page = pages.get(path);
  if (page === undefined) return plain(404, `there is ${[...pages.keys()].join(', ')}`);
  return await page(query === undefined ? NO_QUERY : new URLSearchParams(query));
}

function pathOf({ url = '/' }: IncomingMessage): {
  readonly path: string;
  readonly query: string | undefined;
} {
  const [path = '/', query] = url.split('?', 2);
  return { path, query };
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Reply): void {
  if (response.destroyed || response.headersSent) return;
  const kept = status < 400 || status === 503;
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
    // What may follow a request that is refused is not read.
    ...(kept ? {} : { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

export function plain(status: number, line: string): Reply {
  return { status, type: 'text/plain; charset=utf-8', body: `${line}\n` };
}

/** Nobody waits for clients: those that are idle are cut at once, the others after a moment. */
async function shutdown(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), SHUTDOWN_GRACE);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
}
