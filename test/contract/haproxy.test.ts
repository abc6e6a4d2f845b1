import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { Client } from 'pg';
import { parseAddress } from '../../src/domain/address.js';
import { events } from '../../src/domain/events.js';
import { TemplatedOutput } from '../../src/outputs/templated-output.js';
import { OutputKeeper } from '../../src/proxy/output-keeper.js';
import type { RouteState } from '../../src/proxy/route-state.js';
import { Latest } from '../../src/runtime/latest.js';
import { packageFile } from '../../src/runtime/package-root.js';
import { FakeLog } from '../fakes/log.js';
import { topologyOf } from '../fakes/topologies.js';
import { FakeViews } from '../fakes/views.js';
import { eventually } from '../support/eventually.js';
import { HAPROXY, haproxyServer, type HaproxyServer } from './haproxy-server.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';
import { freePort } from './server-process.js';

const [FIRST, SECOND, THIRD] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const;

describe('an output for a real HAProxy', () => {
  let postgres: PostgresServer;
  let haproxy: HaproxyServer;
  let ports: { readonly primary: number; readonly replicas: number };
  let template: string;
  let states: Latest<RouteState>;
  let views: FakeViews;
  let log: FakeLog;
  let keeper: OutputKeeper;
  let stop: AbortController;
  let running: Promise<void>;

  /** The shipped one, made fit for a test's folder and ports. */
  const shipped = (): string =>
    readFileSync(packageFile('templates', 'haproxy.cfg.template'), 'utf8')
      .replace(/^ {4}(log|user|group) .*\n/gm, '')
      .replace('bind *:5432', `bind 127.0.0.1:${ports.primary}`)
      .replace('bind *:7432', `bind 127.0.0.1:${ports.replicas}`)
      .replaceAll('}}:5432', `}}:${postgres.port}`);
  const cluster = (primary: 'pg01' | 'pg02', parts: { readonly up?: boolean } = {}): void => {
    const at: Readonly<Record<string, string>> = { pg01: FIRST, pg02: SECOND, pg03: THIRD };
    const whole = topologyOf(primary);
    const members = whole.members.map((one) => ({ ...one, address: at[one.name] ?? '', ...parts }));
    views.topology = { ...whole, members };
  };
  const route = (address: string, revision: bigint): void => {
    const to = { address: parseAddress(address), revision };
    states.set({ kind: 'failing', route: to, attempt: 1, problems: ['PgBouncer has its own troubles'] });
  };
  const whereIs = async (port: number): Promise<string> => {
    const client = new Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      database: 'postgres',
      ssl: false,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ host: string }>('SELECT host(inet_server_addr()) AS host');
      return rows[0]?.host ?? '';
    } catch {
      return 'refused';
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const leads = (port: number, wanted: string): Promise<void> =>
    eventually(async () => (await whereIs(port)) === wanted, {
      limit: 10_000,
      what: `${port} leads to ${wanted}`,
    });
  const put = (text: string): void => writeFileSync(template, text);

  before(async () => {
    postgres = await startPostgres({ addresses: [FIRST, SECOND, THIRD] });
  });
  after(() => postgres.stop());

  beforeEach(async () => {
    haproxy = haproxyServer();
    ports = { primary: await freePort(), replicas: await freePort() };
    template = join(haproxy.folder, 'template');
    put(shipped());
    states = new Latest<RouteState>({ kind: 'waiting' });
    views = new FakeViews();
    log = new FakeLog();
    stop = new AbortController();
    const output = new TemplatedOutput({
      name: 'haproxy',
      template,
      file: haproxy.file,
      owner: '',
      mode: 0o644,
      check: [HAPROXY, '-c', '-f', '{file}'],
      reload: haproxy.reload,
      timeout: 10_000,
    });
    // As a package leaves it: a file that leads nowhere.
    writeFileSync(
      haproxy.file,
      'defaults\n    mode tcp\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\n',
    );
    writeFileSync(
      haproxy.file,
      `${readFileSync(haproxy.file, 'utf8')}listen none\n    bind 127.0.0.1:${await freePort()}\n`,
    );
    chmodSync(haproxy.file, 0o644);
    await haproxy.start();
    keeper = new OutputKeeper({
      output,
      states,
      views,
      log,
      backoff: { min: 100, max: 200 },
      lookInterval: 100,
    });
    running = keeper.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await haproxy.stop();
  });

  it('leads writers to the primary, readers to standbys, and both on to the new ones', async () => {
    cluster('pg01');
    route(FIRST, 1n);
    await leads(ports.primary, FIRST);
    await eventually(async () => [SECOND, THIRD].includes((await whereIs(ports.replicas)) as '127.0.0.2'));
    cluster('pg02');
    route(SECOND, 2n);
    await leads(ports.primary, SECOND);
    const readers = new Set(await Promise.all(Array.from({ length: 8 }, () => whereIs(ports.replicas))));
    assert.deepEqual([...readers].sort(), [FIRST, THIRD], haproxy.output);
    assert.equal(log.of(events.outputError).length, 0);
  });

  it('turns readers away where there is no standby, and back when there is', async () => {
    cluster('pg01', { up: false });
    route(FIRST, 1n);
    await leads(ports.primary, FIRST);
    assert.equal(await whereIs(ports.replicas), 'refused');
    cluster('pg01');
    await eventually(async () => (await whereIs(ports.replicas)) !== 'refused', { limit: 10_000 });
  });

  it('stays as it is with a template that HAProxy refuses, and goes on with a better one', async () => {
    cluster('pg01');
    route(FIRST, 1n);
    await leads(ports.primary, FIRST);
    const before = readFileSync(haproxy.file, 'utf8');
    put(shipped().replace('mode tcp', 'mode tpc'));
    route(SECOND, 2n);
    await eventually(() => keeper.state.value.error !== '', { limit: 10_000 });
    assert.match(keeper.state.value.error, /haproxy\.cfg:\d+\].*tpc.*it is as it was/);
    assert.equal(readFileSync(haproxy.file, 'utf8'), before);
    assert.equal(await whereIs(ports.primary), FIRST);
    put(shipped());
    await leads(ports.primary, SECOND);
    assert.equal(log.of(events.outputError).length, 1);
  });
});
