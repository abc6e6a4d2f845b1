import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { LOGIN_RETRY_WHILE_PAUSED } from '../../src/domain/bouncer.js';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { RouteProbe } from '../../src/domain/route-probe.js';
import type { PauseRequest, ProxyState } from '../../src/domain/switchover.js';
import { proxyDaemon, type ProxyDaemon } from '../../src/proxy/daemon.js';
import { runServices } from '../../src/runtime/service-group.js';
import { FakeBouncer } from '../fakes/bouncer.js';
import { FakeConfig } from '../fakes/bouncer-config.js';
import { FakeLog } from '../fakes/log.js';
import { FakePauseRequests } from '../fakes/pause-requests.js';
import { FakeProxyRegistry } from '../fakes/proxies.js';
import { FakeRoutes } from '../fakes/routes.js';
import { FakeTopologies } from '../fakes/topologies.js';
import { eventually, stays } from '../support/eventually.js';

const OLD = '10.0.0.1';
const NEW = '10.0.0.2';

describe('a proxy and the pause request of a switchover', () => {
  let routes: FakeRoutes;
  let requests: FakePauseRequests;
  let registry: FakeProxyRegistry;
  let written: ProxyState[];
  let config: FakeConfig;
  let bouncer: FakeBouncer;
  let probe: RouteProbe | undefined;
  let log: FakeLog;
  let daemon: ProxyDaemon;
  let stop: AbortController;
  let running: Promise<unknown>;
  let first: bigint;

  const request = (parts: Partial<PauseRequest> = {}): PauseRequest => ({
    id: 'a',
    phase: 'pause',
    release: undefined,
    duration: 10_000,
    timeout: 1_000,
    ...parts,
  });
  const state = (): ProxyState | undefined => written.at(-1);
  const start = (): void => {
    stop = new AbortController();
    const own = registry.registration('app01');
    daemon = proxyDaemon({
      identity: { id: 'app01', host: 'app01', instance: 'i1', version: '0' },
      routes,
      topologies: new FakeTopologies(routes),
      requests,
      registration: {
        ...own,
        set: (next) => {
          written.push(next);
          own.set(next);
        },
      },
      bouncers: [bouncer],
      config,
      outputs: [],
      replicas: { maxLag: 16_777_216, fallback: 'none' },
      probe,
      hold: {
        probe: { find: () => Promise.resolve({ kind: 'accepts' }) },
        interval: 60_000,
        timeout: 0,
        cut: () => Promise.resolve(),
      },
      log,
      timeout: 1_000,
      retryInterval: 20,
      firstReadTimeout: 100,
    });
    running = runServices(daemon.services, stop.signal);
  };
  const started = async (): Promise<void> => {
    start();
    await eventually(() => state()?.route?.revision === first);
  };
  const acknowledged = (id = 'a'): Promise<void> =>
    eventually(() => {
      const pause = state()?.pause;
      return pause?.kind === 'paused' && pause.request === id;
    });

  beforeEach(() => {
    routes = new FakeRoutes();
    requests = new FakePauseRequests();
    registry = new FakeProxyRegistry();
    written = [];
    config = new FakeConfig();
    bouncer = new FakeBouncer([], 'one');
    bouncer.fileSettings.set('query_wait_timeout', '120').set('pool_mode', 'transaction');
    bouncer.file = config.read;
    config.host = OLD;
    bouncer.start();
    probe = undefined;
    log = new FakeLog();
    first = routes.put(OLD);
  });
  afterEach(async () => {
    stop.abort();
    assert.deepEqual(await running, []);
  });

  it('pauses, says so, and resumes once the route of the release is verified', async () => {
    await started();
    requests.put(request());
    await acknowledged();
    assert.equal(bouncer.paused, true);
    const release = first + 1n;
    requests.put(request({ phase: 'release', release }));
    await stays(() => bouncer.paused, 50);
    assert.equal(routes.put(NEW), release);
    await eventually(() => !bouncer.paused);
    const order = bouncer.commands.filter((command) => /^(PAUSE|RELOAD|RESUME)/.test(command));
    assert.deepEqual(order.slice(-3), ['PAUSE app', 'RELOAD', 'RESUME']);
    await eventually(() => state()?.pause.kind === 'running');
    assert.equal(state()?.route?.address, NEW);
    assert.equal(await bouncer.setting('server_login_retry', stop.signal), LOGIN_RETRY_WHILE_PAUSED);
  });

  it('resumes at once when the route was verified before the release', async () => {
    await started();
    requests.put(request());
    await acknowledged();
    const release = routes.put(NEW);
    await eventually(() => state()?.route?.revision === release);
    assert.equal(bouncer.paused, true);
    requests.put(request({ phase: 'release', release }));
    await eventually(() => !bouncer.paused);
  });

  it('resumes where it is when the run is given up, also while it waits for a transaction', async () => {
    await started();
    bouncer.openTransactions = 1;
    requests.put(request());
    await eventually(() => bouncer.paused);
    requests.put(request({ phase: 'abort' }));
    await eventually(() => !bouncer.paused);
    await eventually(() => daemon.keeper.news.value.reasons.length === 0);
    assert.equal(state()?.pause.kind, 'running');
    assert.deepEqual(config.writes, []);
  });

  it('says why it could not pause; its clients run, and it does not try again', async () => {
    await started();
    bouncer.openTransactions = 1;
    requests.put(request({ timeout: 20 }));
    await eventually(() => state()?.pause.kind === 'failed');
    const pause = state()?.pause;
    assert.match(pause?.kind === 'failed' ? pause.error : '', /a transaction stayed open/);
    bouncer.endTransaction();
    await stays(() => !bouncer.paused, 50);
    requests.put(undefined);
    await eventually(() => state()?.pause.kind === 'running');
  });

  it('resumes at the end of the duration, which a new phase does not start anew', async () => {
    await started();
    const begun = performance.now();
    requests.put(request({ duration: 200 }));
    await acknowledged();
    requests.put(request({ duration: 200, phase: 'release', release: 99n }));
    await eventually(() => !bouncer.paused);
    const took = performance.now() - begun;
    assert.ok(took >= 195 && took < 1_000, String(took));
    await eventually(() => state()?.pause.kind !== 'paused');
  });

  it('stays paused when the request vanishes, until a probe says that the route takes writes', async () => {
    let takesWrites = false;
    const asked: string[] = [];
    probe = {
      takesWrites: (address) => {
        asked.push(address);
        return takesWrites ? Promise.resolve(true) : Promise.reject(new PgcmError('unavailable', 'refused'));
      },
    };
    await started();
    requests.put(request());
    await acknowledged();
    requests.put(undefined);
    await eventually(() => asked.length > 0);
    assert.equal(bouncer.paused, true);
    assert.deepEqual([...new Set(asked)], [OLD]);
    takesWrites = true;
    await eventually(() => !bouncer.paused);
    await eventually(() => state()?.pause.kind === 'running');
    assert.equal(log.of(events.pauseRequestVanished).length, 1);
  });

  it('without a probe stays paused until the duration ends when the request vanishes', async () => {
    await started();
    requests.put(request({ duration: 300 }));
    await acknowledged();
    requests.put(undefined);
    await stays(() => bouncer.paused, 100);
    await eventually(() => !bouncer.paused);
    await eventually(() => state()?.pause.kind === 'running');
  });

  it('a release that vanished before the route came still counts', async () => {
    await started();
    requests.put(request());
    await acknowledged();
    requests.put(request({ phase: 'release', release: first + 1n }));
    await stays(() => bouncer.paused, 20);
    requests.put(undefined);
    await stays(() => bouncer.paused, 20);
    routes.put(NEW);
    await eventually(() => !bouncer.paused);
  });

  it('goes over from one run to the next without letting its clients go', async () => {
    await started();
    requests.put(request());
    await acknowledged();
    requests.put(undefined);
    requests.put(request({ id: 'b' }));
    await acknowledged('b');
    await eventually(() => daemon.keeper.news.value.reasons.join() === 'request:b');
    assert.equal(bouncer.count('RESUME'), 1, 'only the one that looked for leftovers');
    requests.put(request({ id: 'b', phase: 'abort' }));
    await eventually(() => !bouncer.paused);
  });

  it('when it starts in the middle of a switchover, pauses before it registers', async () => {
    requests.put(request());
    start();
    await eventually(() => written.length > 0);
    assert.deepEqual(written[0]?.pause, { kind: 'paused', request: 'a' });
    assert.equal(bouncer.paused, true);
    assert.equal(bouncer.count('RESUME'), 0);
  });

  it('when it starts after the release, lets clients go only on the new route', async () => {
    bouncer.paused = true;
    requests.put(request({ phase: 'release', release: first + 1n }));
    start();
    await stays(() => bouncer.paused, 100);
    routes.put(NEW);
    await eventually(() => !bouncer.paused);
  });

  it('lifts what an earlier life left when there is no request', async () => {
    bouncer.paused = true;
    start();
    await eventually(() => !bouncer.paused);
  });

  it('lifts it also when no request can be read in time', async () => {
    bouncer.paused = true;
    requests.follow = (_on, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    start();
    await stays(() => bouncer.paused, 50);
    await eventually(() => !bouncer.paused);
    assert.equal(written.length, 0, 'it registers only when it knows of no request');
  });

  it('pauses a PgBouncer again that restarts in the middle', async () => {
    await started();
    requests.put(request());
    await acknowledged();
    bouncer.stop();
    bouncer.start();
    await eventually(() => bouncer.paused);
    requests.put(request({ phase: 'abort' }));
    await eventually(() => !bouncer.paused);
  });

  it('writes nothing while nothing changes', async () => {
    await started();
    await eventually(() => state()?.bouncers.length === 1);
    assert.deepEqual(state()?.bouncers, [
      { name: 'one', error: '', sessionPooled: [], queryWaitTimeout: 120_000 },
    ]);
    const count = written.length;
    routes.put(OLD);
    await eventually(() => written.length > count);
    const after = written.length;
    await stays(() => written.length === after, 100);
  });

  it('answers on its control socket as the proxy, and pauses for the API beside a request', async () => {
    await started();
    const health = await daemon.control.healthCheck(stop.signal);
    assert.deepEqual([health.healthy, health.node], [true, 'app01']);
    requests.put(request());
    await acknowledged();
    await daemon.control.pause({ timeout: 1_000, expiry: 10_000 }, undefined, stop.signal);
    requests.put(request({ phase: 'abort' }));
    await eventually(() => state()?.pause.kind === 'running');
    assert.equal(bouncer.paused, true);
    await daemon.control.resume(undefined, 1_000, undefined, stop.signal);
    assert.equal(bouncer.paused, false);
  });

  it('resumes within milliseconds of the release', async () => {
    await started();
    const took: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const id = `run${round}`;
      requests.put(request({ id }));
      await acknowledged(id);
      const begun = performance.now();
      requests.put(request({ id, phase: 'release', release: first }));
      while (bouncer.paused) await new Promise((resolve) => setImmediate(resolve));
      took.push(performance.now() - begun);
    }
    took.sort((a, b) => a - b);
    assert.ok((took[5] ?? 0) < 10, took.join(' '));
  });
});
