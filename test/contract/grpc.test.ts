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
import { nodeApi } from '../../src/grpc/client.js';
import type { ApiTls } from '../../src/grpc/tls.js';
import { packageFile } from '../../src/runtime/package-root.js';
import { FakeNode, inspection, mandate } from '../fakes/node.js';
import { eventually } from '../support/eventually.js';
import { serve, type Served } from './api-server.js';

const never = new AbortController().signal;

describe('the failover API', () => {
  const node = new FakeNode();
  let served: Served;
  before(async () => {
    served = await serve(node, '127.0.0.1:0');
  });
  after(() => served.stop());

  it('carries every rpc of ours, milliseconds and mandates included', async () => {
    const api = nodeApi(served.endpoint, undefined);
    try {
      assert.deepEqual(await api.healthCheck(2_000, never), await node.healthCheck());
      await api.pause({ timeout: 250, expiry: 1_500 }, mandate, never);
      assert.deepEqual(node.calls.at(-1), ['pause', { timeout: 250, expiry: 1_500 }, mandate]);
      await api.pause({ timeout: 1_000, expiry: 'never' }, undefined, never);
      assert.deepEqual(node.calls.at(-1), ['pause', { timeout: 1_000, expiry: 'never' }, undefined]);
      await api.resume(parseAddress('10.77.0.12'), 700, mandate, never);
      assert.deepEqual(node.calls.at(-1), ['resume', '10.77.0.12', 700, mandate]);
      const target = { name: 'pg02', address: '10.77.0.12' };
      assert.deepEqual(await api.migrate('pg02', mandate, 2_000, never), target);
      assert.deepEqual(node.calls.at(-1), ['migrate', 'pg02', mandate]);
      assert.deepEqual(await api.migrate(undefined, undefined, 2_000, never), target);
      assert.deepEqual(node.calls.at(-1), ['migrate', undefined, undefined]);
      await api.unmigrate(mandate, 2_000, never);
      assert.deepEqual(node.calls.at(-1), ['unmigrate', mandate]);
      assert.deepEqual(await api.probe(700, 2_000, never), await node.probe(700));
      assert.deepEqual(node.waits, [700, 700]);
      await api.checkpoint(mandate, 2_000, never);
      assert.deepEqual(node.calls.at(-1), ['checkpoint', mandate]);
      assert.deepEqual(await api.terminate({ olderThan: 30_000 }, mandate, 2_000, never), node.ended);
      assert.deepEqual(node.calls.at(-1), ['terminate', { olderThan: 30_000 }, mandate]);
    } finally {
      api.close();
    }
  });

  it('carries an inspection as it is, and one of which hardly anything could be found out', async () => {
    const api = nodeApi(served.endpoint, undefined);
    try {
      assert.deepEqual(await api.inspect(2_000, never), inspection());
      for (const primary of [
        { kind: 'none', why: 'pg01 is being demoted' },
        { kind: 'several', names: ['pg01', 'pg02'] },
      ] as const) {
        const { manager } = inspection();
        assert.ok(manager);
        node.found = { ...inspection(), manager: { ...manager, topology: { ...manager.topology, primary } } };
        assert.deepEqual((await api.inspect(2_000, never)).manager?.topology.primary, primary);
      }
      node.found = { ...inspection(), manager: undefined, postgres: undefined, bouncers: [], proxy: '' };
      assert.deepEqual(await api.inspect(2_000, never), node.found);
    } finally {
      node.found = inspection();
      api.close();
    }
  });

  it('carries every outcome of a rejoin', async () => {
    const api = nodeApi(served.endpoint, undefined);
    const order = { primary: { name: 'pg02', address: parseAddress('10.77.0.12') }, timeout: 30_000 };
    try {
      for (const outcome of [
        { kind: 'streaming', already: true },
        { kind: 'streaming', already: false },
        { kind: 'refused', why: 'it has WAL of its own', commands: ['pg_rewind', 'crm_resource'] },
      ] as const) {
        node.rejoined = outcome;
        assert.deepEqual(await api.rejoin(order, mandate, never), outcome);
        assert.deepEqual(node.calls.at(-1), ['rejoin', order, mandate]);
      }
    } finally {
      api.close();
    }
  });

  it('carries whether the run leaves its old primary as it is', async () => {
    const api = nodeApi(served.endpoint, undefined);
    try {
      for (const one of [mandate, { ...mandate, noRejoin: true } as const]) {
        await api.checkpoint(one, 2_000, never);
        assert.deepEqual(node.calls.at(-1), ['checkpoint', one]);
      }
    } finally {
      api.close();
    }
  });

  it('carries the exact code of an error, and the statuses that the original had', async () => {
    const api = nodeApi(served.endpoint, undefined);
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
    const api = nodeApi(served.endpoint, undefined);
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
    assert.deepEqual(node.calls.at(-1), ['pause', { timeout: 1_000, expiry: 25_000 }, undefined]);
    const created = Number((response as Stamped).created_at.seconds);
    const expires = Number((response as Stamped).expires_at.seconds);
    assert.ok(Math.abs(created - Date.now() / 1_000) < 60, `created_at is ${created}`);
    assert.ok(expires - created >= 25 && expires - created <= 26);
    const before = node.calls.length;
    const refused = await raw('pause', { timeout: 1 });
    assert.equal(refused.error?.code, grpc.status.INVALID_ARGUMENT);
    assert.match(refused.error.details, /nothing lifts/);
    assert.equal(node.calls.length, before, 'a pause without an end was not asked for');
  });

  it('refuses values that mean nothing', async () => {
    const raw = rawClient(served.port);
    for (const [rpc, request] of [
      ['pause', { timeout: -5, expiry: 25 }],
      ['pause', { timeout: 1, expiry: 2_000_000_000 }],
      ['resume', { address: 'x; rm -rf /' }],
      ['resume', { address: '0.0.0.0' }],
      ['unmigrate', { mandate: {} }],
      ['unmigrate', { mandate: { switchover: "1'/><x", lock_revision: '7' } }],
      ['unmigrate', { mandate: { switchover: 'abc', lock_revision: '-7' } }],
      ['checkpoint', {}],
      ['terminate', { older_than_ms: '1000' }],
      ['rejoin', { primary: 'pg02', address: '10.77.0.12' }],
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

  it('tells what was found out before the caller stops waiting, whoever the caller is', async () => {
    const api = nodeApi(served.endpoint, undefined);
    node.hangs = true;
    try {
      const raw = rawClient(served.port);
      const [health, { response }] = await Promise.all([
        api.healthCheck(2_800, never),
        raw('health_check', {}, { deadline: Date.now() + 2_900 }),
      ]);
      assert.match(health.parts[0]?.message ?? '', /no answer within 2\.55s/);
      assert.match(JSON.stringify(response), /no answer within 2\.[56]\d*s/);
    } finally {
      node.hangs = false;
      api.close();
    }
  });

  it('finds a server that is back again after a moment', async () => {
    const stopped = await serve(node, '127.0.0.1:0');
    const api = nodeApi(stopped.endpoint, undefined);
    await api.probe(0, 2_000, never);
    await stopped.stop();
    for (let refused = 0; refused < 5; refused += 1) await assert.rejects(api.probe(0, 2_000, never));
    const again = await serve(node, stopped.endpoint);
    try {
      await eventually(
        () =>
          api.probe(0, 500, never).then(
            () => true,
            () => false,
          ),
        { limit: 3_000 },
      );
    } finally {
      api.close();
      await again.stop();
    }
  });

  it('a port in use is one clear line, and nothing else is printed', async (t) => {
    const printed = t.mock.method(console, 'error', () => undefined);
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    await assert.rejects(serve(node, `127.0.0.1:${port}`), (error) => hasCode(error, 'port-in-use'));
    assert.equal(printed.mock.callCount(), 0);
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
): (
  rpc: string,
  request: object,
  options?: grpc.CallOptions,
) => Promise<{ error: grpc.ServiceError | undefined; response: unknown }> {
  const loaded = grpc.loadPackageDefinition(
    loadSync(packageFile('proto', 'failover.proto'), { keepCase: true, longs: String, defaults: true }),
  );
  const { Failover } = loaded['failover'] as { Failover: grpc.ServiceClientConstructor };
  return (rpc, request, options = {}) =>
    new Promise((resolve) => {
      const client = new Failover(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
      const method = client[rpc] as (
        r: object,
        o: grpc.CallOptions,
        done: (e: grpc.ServiceError | null, r: unknown) => void,
      ) => void;
      method.call(client, request, options, (error, response) => {
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
