import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { no, yes } from '../../src/domain/health.js';
import { counterBy, gauge } from '../../src/domain/metrics.js';
import { Vitals } from '../../src/runtime/vitals.js';
import { httpServer, type HttpServer, type Page } from '../../src/telemetry/http-server.js';
import { metricsPage } from '../../src/telemetry/metrics-page.js';
import { alivePage, healthPage, lagPage } from '../../src/telemetry/pages.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

describe('a daemon over HTTP', () => {
  let log: FakeLog;
  let pages: Map<string, Page>;
  let server: HttpServer;
  let port: number;
  let stop: AbortController;
  let running: Promise<void>;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    log = new FakeLog();
    stop = new AbortController();
    pages = new Map<string, Page>([
      ['/primary', healthPage(() => yes('the primary'))],
      ['/replica', lagPage(16, (lag) => (lag > 16 ? yes(`up to ${lag}`) : no(`only ${lag}`)))],
      [
        '/broken',
        () => {
          throw new PgcmError('internal', 'a mistake');
        },
      ],
    ]);
    server = httpServer({ address: '127.0.0.1:0', host: '127.0.0.1', port: 0, pages, log });
    running = server.run(stop.signal);
    port = await server.listening;
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    stop.abort();
    await running;
  });

  async function ask(path: string, { method = 'GET', body = '', headers = {} } = {}): Promise<Answer> {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
    return { status: response.statusCode, headers: response.headers, body: text };
  }

  /** What a client gets that writes this and then waits, until the server ends the connection. */
  async function raw(text: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    socket.on('error', () => undefined);
    socket.write(text);
    await once(socket, 'close');
    return answer;
  }

  it('answers 200 or 503, with one line that says why, to GET and to HEAD', async () => {
    const { status, body, headers } = await ask('/primary');
    assert.deepEqual([status, body], [200, 'the primary\n']);
    assert.equal(headers['cache-control'], 'no-store');
    assert.deepEqual((await ask('/replica')).status, 503);
    const head = await ask('/primary', { method: 'HEAD' });
    assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '12']);
  });

  it('takes a lag in bytes, and as a size', async () => {
    assert.deepEqual((await ask('/replica?lag=17')).body, 'up to 17\n');
    assert.deepEqual((await ask('/replica?lag=1MB')).body, 'up to 1048576\n');
    assert.deepEqual(
      [(await ask('/replica?lag=0')).status, (await ask('/replica?lag=0')).body],
      [503, 'only 0\n'],
    );
    for (const bad of ['', '-1', '1e9', '16MB%0d%0aX:1', 'x'.repeat(80)]) {
      const { status, body } = await ask(`/replica?lag=${bad}`);
      assert.equal(status, 400, bad);
      assert.match(body, /^lag=".*no size: write bytes, or 16MB\n$/);
    }
  });

  it('refuses every other path, method and body, and reads none', async () => {
    const unknown = await ask('/nothing');
    assert.deepEqual([unknown.status, unknown.body], [404, 'there is /primary, /replica, /broken\n']);
    const post = await ask('/primary', { method: 'POST' });
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
    assert.equal((await ask('/primary', { method: 'OPTIONS' })).status, 405);
    assert.equal((await ask('/primary', { headers: { 'content-length': '1' }, body: 'x' })).status, 413);
    assert.equal((await ask(`/primary?${'x'.repeat(2_000)}`)).status, 414);
    assert.match(
      await raw(`GET /primary HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(5_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431 /,
    );
    assert.match(await raw('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
    // One that announces a body and never sends it.
    assert.match(
      await raw('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n'),
      /^HTTP\/1\.1 405 /,
    );
    assert.equal((await ask('/primary')).status, 200);
  });

  it('a mistake in an answer is a 500, told in the log and not to the client', async () => {
    const { status, body } = await ask('/broken');
    assert.equal(status, 500);
    assert.doesNotMatch(body, /a mistake/);
    assert.deepEqual(
      log.of(events.serverRequest).map(({ path, error }) => [path, error]),
      [['/broken', 'a mistake']],
    );
  });

  it('keeps a connection, as load balancers do', async () => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    for (let asked = 1; asked <= 3; asked += 1) {
      socket.write('GET /replica HTTP/1.1\r\nhost: x\r\n\r\n');
      await eventually(() => answer.split('HTTP/1.1 503').length === asked + 1);
    }
  });

  it('cuts off a client that is slow to ask', async () => {
    const began = performance.now();
    assert.match(await raw('GET /primary HTTP/1.1\r\nhost: '), /^(HTTP\/1\.1 408 .*)?/);
    assert.ok(performance.now() - began < 15_000);
  });

  it('ends at once, whatever its clients do', async () => {
    const silent = connect(port, '127.0.0.1');
    const idle = connect(port, '127.0.0.1');
    const halfway = connect(port, '127.0.0.1');
    sockets.push(silent, idle, halfway);
    for (const socket of sockets) socket.on('error', () => undefined);
    idle.write('GET /primary HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(idle, 'data');
    halfway.write('GET /primary HT');
    await ask('/primary');
    const began = performance.now();
    stop.abort();
    await running;
    assert.ok(performance.now() - began < 1_500, `${performance.now() - began} ms`);
    await assert.rejects(ask('/primary'));
  });

  it('does not start where another program listens, and says what to do', async () => {
    const second = httpServer({ address: `127.0.0.1:${port}`, host: '127.0.0.1', port, pages, log });
    await assert.rejects(second.run(stop.signal), (error: PgcmError) => {
      assert.equal(error.code, 'port-in-use');
      assert.match(
        error.message,
        /^http-address 127\.0\.0\.1:\d+: another program listens on port \d+ \(`ss -ltnp`/,
      );
      return true;
    });
    // A server that is none of ours is no different.
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const taken = (other.address() as AddressInfo).port;
    const third = httpServer({ address: 'x', host: '127.0.0.1', port: taken, pages, log });
    await assert.rejects(third.run(stop.signal), { code: 'port-in-use' });
    other.close();
  });

  it('does not start at an address that is not here', async () => {
    const elsewhere = httpServer({ address: '192.0.2.1', host: '192.0.2.1', port: 0, pages, log });
    await assert.rejects(elsewhere.run(stop.signal), {
      code: 'unavailable',
      message: /^http-address 192\.0\.2\.1: /,
    });
  });

  it('is not alive while a loop is stuck', async () => {
    const vitals = new Vitals();
    pages.set('/healthz', alivePage(vitals));
    assert.deepEqual((await ask('/healthz')).status, 200);
    const turn = vitals.watch('publishing', 1_000);
    await eventually(async () => (await ask('/healthz')).status === 503);
    assert.match((await ask('/healthz')).body, /^publishing: nothing has happened for/);
    turn();
    assert.deepEqual((await ask('/healthz')).status, 200);
  });

  it('tells the metrics as they are when it is asked, of each daemon its own', async () => {
    let value: number | undefined;
    let reads = 0;
    const metrics = (): Page =>
      metricsPage(
        [
          gauge('pgcm_a_seconds', 'Some time.', () => value),
          counterBy('kind', 'pgcm_b_total', 'Some things.', () => [['say "x"', value]]),
        ],
        () => (reads += 1),
      );
    pages.set('/metrics', metrics()).set('/other', metrics());
    const first = await ask('/metrics');
    assert.match(first.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(first.body, /# HELP pgcm_a_seconds Some time\.\n# TYPE pgcm_a_seconds gauge\n/);
    assert.doesNotMatch(first.body, /^pgcm/m, 'what is not known has no sample');
    value = 3;
    const { body } = await ask('/metrics');
    assert.match(body, /^pgcm_a_seconds 3$/m);
    assert.match(body, /^pgcm_b_total\{kind="say \\"x\\""\} 3$/m);
    assert.match((await ask('/other')).body, /^pgcm_a_seconds 3$/m);
    value = undefined;
    assert.doesNotMatch((await ask('/metrics')).body, /^pgcm/m);
    assert.equal(reads, 4);
  });

  it('answers many at once', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask('/primary')));
    assert.ok(answers.every(({ status }) => status === 200));
  });
});
