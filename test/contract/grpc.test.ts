import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { parseAddress } from '../../src/domain/address.js';
import { hasCode, PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { NodeService, PauseOrder } from '../../src/domain/node-api.js';
import { nodeApi } from '../../src/grpc/client.js';
import { apiServer } from '../../src/grpc/server.js';
import type { ApiTls } from '../../src/grpc/tls.js';
import { packageFile } from '../../src/runtime/package-root.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';

class FakeNode implements NodeService {
  readonly pauses: PauseOrder[] = [];
  readonly resumes: [string | undefined, number][] = [];
  failure: PgcmError | undefined;

  healthCheck = () =>
    Promise.resolve({
      healthy: false,
      node: 'pg01',
      parts: [{ part: 'etcd', healthy: false, message: 'etcd: no answer' }],
    });
  pause = (order: PauseOrder) => this.#answer(() => this.pauses.push(order));
  resume = (target: string | undefined, timeout: number) =>
    this.#answer(() => this.resumes.push([target, timeout]));
  migrate = async () => {
    await this.#answer(() => undefined);
    return { name: 'pg02', address: parseAddress('10.77.0.12') };
  };
  unmigrate = () => this.#answer(() => undefined);
  inspect = () => Promise.reject(new PgcmError('unsupported', 'inspect'));
  checkpoint = () => Promise.reject(new PgcmError('unsupported', 'checkpoint'));
  terminate = () => Promise.reject(new PgcmError('unsupported', 'terminate'));
  rejoin = () => Promise.reject(new PgcmError('unsupported', 'rejoin'));
  probe = () => Promise.resolve({ inRecovery: false, timeline: 3, takesWrites: true });

  #answer(act: () => unknown): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    act();
    return Promise.resolve();
  }
}

const never = new AbortController().signal;

async function serve(node: NodeService, bindAddress: string, tls?: ApiTls): Promise<Served> {
  const log = new FakeLog();
  const stop = new AbortController();
  const running = apiServer(node, { bindAddress, tls, log }).run(stop.signal);
  let failure: unknown;
  running.catch((error: unknown) => (failure = error));
  await eventually(() => log.of(events.serverListen).length === 1 || failure !== undefined);
  if (failure instanceof Error) throw failure;
  return {
    log,
    port: Number(log.of(events.serverListen)[0]?.['port']),
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

interface Served {
  readonly log: FakeLog;
  readonly port: number;
  stop(): Promise<void>;
}

describe('the failover API', () => {
  const node = new FakeNode();
  let served: Served;
  before(async () => {
    served = await serve(node, '127.0.0.1:0');
  });
  after(() => served.stop());

  it('carries every rpc of ours, milliseconds included', async () => {
    const api = nodeApi(`127.0.0.1:${served.port}`, undefined);
    try {
      assert.deepEqual(await api.healthCheck(2_000, never), await node.healthCheck());
      await api.pause({ timeout: 250, expiry: 1_500 }, undefined, never);
      assert.deepEqual(node.pauses.at(-1), { timeout: 250, expiry: 1_500 });
      await api.pause({ timeout: 1_000, expiry: 'never' }, undefined, never);
      assert.deepEqual(node.pauses.at(-1), { timeout: 1_000, expiry: 'never' });
      await api.resume(parseAddress('10.77.0.12'), 700, undefined, never);
      assert.deepEqual(node.resumes.at(-1), ['10.77.0.12', 700]);
      assert.deepEqual(await api.migrate(undefined, undefined, 2_000, never), {
        name: 'pg02',
        address: '10.77.0.12',
      });
      await api.unmigrate(undefined, 2_000, never);
      assert.deepEqual(await api.probe(2_000, never), await node.probe());
    } finally {
      api.close();
    }
  });

  it('carries the exact code of an error, and the statuses that the original had', async () => {
    const api = nodeApi(`127.0.0.1:${served.port}`, undefined);
    const raw = rawClient(served.port);
    try {
      for (const [code, status] of [
        ['timed-out', grpc.status.DEADLINE_EXCEEDED],
        ['no-sync-standby', grpc.status.NOT_FOUND],
        ['refused', grpc.status.FAILED_PRECONDITION],
      ] as const) {
        node.failure = new PgcmError(code, `${code}: ünïcode and "quotes"`);
        await assert.rejects(
          api.unmigrate(undefined, 2_000, never),
          (error) => hasCode(error, code) && /ünïcode/.test(error.message),
        );
        assert.equal((await raw('unmigrate', {})).error?.code, status);
      }
    } finally {
      node.failure = undefined;
      api.close();
    }
  });

  it('answers and stays up whatever an error says', async () => {
    const api = nodeApi(`127.0.0.1:${served.port}`, undefined);
    try {
      // Cut in the middle of a character, and longer on the wire than it looks.
      for (const text of ['\ud83d', '€'.repeat(1_999) + '😀']) {
        node.failure = new PgcmError('refused', text);
        await assert.rejects(api.unmigrate(undefined, 2_000, never), (error) => hasCode(error, 'refused'));
      }
      node.failure = undefined;
      await api.unmigrate(undefined, 2_000, never);
    } finally {
      node.failure = undefined;
      api.close();
    }
  });

  it('defect 5: a client that speaks whole seconds is understood, and a sub-second span never becomes 0', async () => {
    const raw = rawClient(served.port);
    const { response } = await raw('pause', { timeout: 1, expiry: 25 });
    assert.deepEqual(node.pauses.at(-1), { timeout: 1_000, expiry: 25_000 });
    const created = Number((response as Stamped).created_at.seconds);
    const expires = Number((response as Stamped).expires_at.seconds);
    assert.ok(Math.abs(created - Date.now() / 1_000) < 60, `created_at is ${created}`);
    assert.ok(expires - created >= 25 && expires - created <= 26);
    const before = node.pauses.length;
    const refused = await raw('pause', { timeout: 1 });
    assert.equal(refused.error?.code, grpc.status.INVALID_ARGUMENT);
    assert.match(refused.error.details, /nothing lifts/);
    assert.equal(node.pauses.length, before, 'a pause without an end was not asked for');
  });

  it('refuses values that mean nothing', async () => {
    const raw = rawClient(served.port);
    for (const [rpc, request] of [
      ['pause', { timeout: -5, expiry: 25 }],
      ['pause', { timeout: 1, expiry: 2_000_000_000 }],
      ['resume', { address: 'x; rm -rf /' }],
      ['resume', { address: '0.0.0.0' }],
    ] as const) {
      assert.equal(
        (await raw(rpc, request)).error?.code,
        grpc.status.INVALID_ARGUMENT,
        JSON.stringify(request),
      );
    }
  });

  it('says who cannot be reached', async () => {
    const api = nodeApi('127.0.0.1:1', undefined);
    await assert.rejects(
      api.unmigrate(undefined, 2_000, never),
      (error) => hasCode(error, 'unavailable') && /unmigrate on 127\.0\.0\.1:1/.test(error.message),
    );
    api.close();
  });

  it('a port in use is one clear line', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    await assert.rejects(serve(node, `127.0.0.1:${port}`), (error) => hasCode(error, 'port-in-use'));
    other.close();
  });

  it('warns of plaintext off the loopback, and only of that', async () => {
    assert.equal(served.log.of(events.serverInsecure).length, 0);
    const open = await serve(node, ':0');
    assert.equal(open.log.of(events.serverInsecure).length, 1);
    await open.stop();
  });
});

describe('the failover API with TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcm-tls-'));
  after(() => rmSync(folder, { recursive: true }));

  it('talks to a client with a certificate of the CA, and to nobody else', async () => {
    const ours = certificate(folder, 'ca');
    const strangers = certificate(folder, 'other-ca');
    const served = await serve(new FakeNode(), '127.0.0.1:0', ours);
    const endpoint = `127.0.0.1:${served.port}`;
    const [good, stranger, plain] = [ours, { ...strangers, ca: ours.ca }, undefined].map((tls) =>
      nodeApi(endpoint, tls),
    );
    await good?.unmigrate(undefined, 5_000, never);
    await assert.rejects(stranger?.unmigrate(undefined, 5_000, never) ?? Promise.resolve());
    await assert.rejects(plain?.unmigrate(undefined, 5_000, never) ?? Promise.resolve());
    for (const api of [good, stranger, plain]) api?.close();
    await served.stop();
  });
});

interface Stamped {
  readonly created_at: { readonly seconds: string };
  readonly expires_at: { readonly seconds: string };
}

/** A client made from the .proto alone, as somebody else would write it. */
function rawClient(
  port: number,
): (rpc: string, request: object) => Promise<{ error: grpc.ServiceError | undefined; response: unknown }> {
  const loaded = grpc.loadPackageDefinition(
    loadSync(packageFile('proto', 'failover.proto'), { keepCase: true, longs: String, defaults: true }),
  );
  const { Failover } = loaded['failover'] as { Failover: grpc.ServiceClientConstructor };
  return (rpc, request) =>
    new Promise((resolve) => {
      const client = new Failover(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
      const method = client[rpc] as (
        r: object,
        done: (e: grpc.ServiceError | null, r: unknown) => void,
      ) => void;
      method.call(client, request, (error, response) => {
        client.close();
        resolve({ error: error ?? undefined, response });
      });
    });
}

/** A CA and a certificate for 127.0.0.1 that it signed. */
function certificate(folder: string, name: string): ApiTls {
  const file = (kind: string): string => join(folder, `${name}.${kind}`);
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' });
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...ec,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-subj',
    `/CN=${name}`,
    '-days',
    '2',
  );
  openssl(
    ...[
      'req',
      '-x509',
      ...ec,
      '-keyout',
      file('key'),
      '-out',
      file('pem'),
      '-subj',
      '/CN=node',
      '-days',
      '2',
    ],
    ...['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  );
  const read = (kind: string): Buffer => readFileSync(file(kind));
  return { ca: read('ca.pem'), cert: read('pem'), key: read('key') };
}
