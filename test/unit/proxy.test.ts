import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { Bouncer, BouncerDatabase } from '../../src/domain/bouncer.js';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { createProxy, type RouteProxy } from '../../src/proxy/proxy.js';
import { findAstray } from '../../src/proxy/verify.js';
import { FakeBouncer } from '../fakes/bouncer.js';
import { FakeConfig } from '../fakes/bouncer-config.js';
import { FakeLog } from '../fakes/log.js';
import { FakeRoutes } from '../fakes/routes.js';
import { topologyOf } from '../fakes/topologies.js';
import { FakeViews } from '../fakes/views.js';
import { eventually, stays } from '../support/eventually.js';

const FIRST = '10.0.0.1';
const SECOND = '10.0.0.2';
const THIRD = '10.0.0.3';

describe('the proxy', () => {
  let routes: FakeRoutes;
  let config: FakeConfig;
  let views: FakeViews;
  let bouncers: FakeBouncer[];
  let log: FakeLog;
  let proxy: RouteProxy;
  let stop: AbortController;
  let running: Promise<void>;

  const start = ({ retryInterval = 20, lookInterval = 10, standbyInterval = 10 } = {}): void => {
    const afterReload = (bouncer: Bouncer): Promise<void> => {
      bouncers.find((one) => one === bouncer)?.commands.push('after RELOAD');
      return Promise.resolve();
    };
    proxy = createProxy({
      routes,
      bouncers,
      config,
      views,
      log,
      standbyInterval,
      retryInterval,
      lookInterval,
      afterReload,
    });
    running = proxy.run(stop.signal);
  };
  const applied = (address: string): Promise<void> =>
    eventually(() => proxy.state.kind === 'applied' && proxy.state.route.address === address);

  beforeEach(() => {
    routes = new FakeRoutes();
    config = new FakeConfig();
    views = new FakeViews();
    log = new FakeLog();
    bouncers = ['a', 'b'].map((name) => {
      const bouncer = new FakeBouncer([], name);
      bouncer.file = config.read;
      return bouncer;
    });
    stop = new AbortController();
    running = Promise.resolve();
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  it('waits for a route and changes nothing before it knows one', async () => {
    start();
    await eventually(() => log.of(events.routeKept).length === 1);
    assert.deepEqual(proxy.state, { kind: 'waiting' });
    assert.deepEqual([config.writes, bouncers[0]?.commands], [[], []]);
  });

  it('writes the file, reloads each bouncer, and looks whether they lead there', async () => {
    routes.put(FIRST);
    start();
    await applied(FIRST);
    assert.deepEqual(config.writes, [FIRST]);
    for (const bouncer of bouncers) {
      assert.deepEqual(bouncer.commands.slice(0, 3), ['RELOAD', 'SHOW DATABASES', 'after RELOAD']);
    }
    assert.deepEqual(
      log.of(events.pgbouncerReload).map(({ host, bouncer }) => [host, bouncer]),
      [
        [FIRST, 'a'],
        [FIRST, 'b'],
      ],
    );
    assert.equal(log.of(events.routeApplied)[0]?.['host'], FIRST);
  });

  it('follows standbys that come and go without a new route, and tells nobody of it', async () => {
    routes.put(FIRST);
    start();
    await applied(FIRST);
    const verified = proxy.verified.value;
    const reloads = (): number[] => bouncers.map((bouncer) => bouncer.count('RELOAD'));
    assert.deepEqual(reloads(), [1, 1]);
    views.topology = topologyOf('pg01');
    await eventually(() => reloads().join() === '2,2');
    assert.equal(config.replicas, 'pg02 pg03');
    assert.equal(proxy.verified.value, verified);
    // Neither a standby that is a little behind nor another timeline changes the file.
    const members = views.topology.members.map((member) => ({ ...member, lag: member.lag && 1_048_576 }));
    views.topology = { ...views.topology, members, timeline: 9 };
    const looks = bouncers[0]?.count('SHOW DATABASES') ?? 0;
    await eventually(() => (bouncers[0]?.count('SHOW DATABASES') ?? 0) > looks + 3);
    assert.deepEqual(reloads(), [2, 2]);
    assert.equal(config.writes.length, 2);
  });

  it('gathers changes of standbys, but does not let a new route wait for them', async () => {
    routes.put(FIRST);
    start({ standbyInterval: 60_000 });
    await applied(FIRST);
    views.topology = topologyOf('pg01');
    await stays(() => config.writes.length === 1, 60);
    routes.put(SECOND);
    await applied(SECOND);
    assert.equal(config.replicas, 'pg02 pg03');
  });

  it('at a start with all in place, looks and reloads nothing', async () => {
    config.host = FIRST;
    for (const bouncer of bouncers) bouncer.start();
    routes.put(FIRST);
    start();
    await applied(FIRST);
    assert.deepEqual(config.writes, []);
    for (const bouncer of bouncers) {
      assert.equal(bouncer.commands[0], 'SHOW DATABASES');
      assert.equal(bouncer.count('RELOAD'), 0);
    }
  });

  it('at a start with the file in place but a bouncer that leads elsewhere, reloads that one', async () => {
    config.host = SECOND;
    bouncers[0]?.start();
    config.host = FIRST;
    bouncers[1]?.start();
    routes.put(FIRST);
    start();
    await applied(FIRST);
    assert.deepEqual(config.writes, []);
    assert.deepEqual([bouncers[0]?.count('RELOAD'), bouncers[1]?.count('RELOAD')], [1, 0]);
  });

  it('goes on looking, quietly, and brings a bouncer back that was led elsewhere', async () => {
    routes.put(FIRST);
    start();
    await applied(FIRST);
    const [bouncer] = bouncers;
    assert.ok(bouncer);
    const looks = bouncer.count('SHOW DATABASES');
    await eventually(() => bouncer.count('SHOW DATABASES') > looks + 3);
    assert.equal(log.of(events.routeApplied).length, 1);
    // Somebody else reloads it with another file.
    bouncer.file = () => [{ name: 'app', host: THIRD, port: 5432, paused: false }];
    await bouncer.reload(new AbortController().signal);
    bouncer.file = config.read;
    await eventually(async () => (await bouncer.databases(new AbortController().signal))[0]?.host === FIRST);
    assert.deepEqual(config.writes, [FIRST]);
  });

  it('writes the file also while a bouncer is down, and is right when it is back', async () => {
    const [down, up] = bouncers;
    assert.ok(down && up);
    down.stop();
    routes.put(FIRST);
    start();
    await eventually(() => proxy.state.kind === 'failing');
    assert.deepEqual(config.writes, [FIRST]);
    await eventually(() => up.count('RELOAD') === 1);
    assert.equal(log.of(events.routeApplied).length, 0);
    down.start();
    await applied(FIRST);
    assert.equal(up.count('RELOAD'), 1);
  });

  it('tells a trouble once, however often it tries, and again when it comes back', async () => {
    const [bouncer] = bouncers;
    assert.ok(bouncer);
    bouncer.stop();
    routes.put(FIRST);
    start({ retryInterval: 2 });
    await eventually(() => proxy.state.kind === 'failing' && proxy.state.attempt > 5);
    assert.equal(log.of(events.pgbouncerError).length, 1);
    assert.match(String(log.of(events.pgbouncerError)[0]?.['error']), /PgBouncer at a: .*nothing listens/);
    bouncer.start();
    await applied(FIRST);
    bouncer.stop();
    await eventually(() => log.of(events.pgbouncerError).length === 2);
  });

  it('does not take RELOAD for done: a bouncer that could not read the file is not applied', async () => {
    const [bouncer] = bouncers;
    assert.ok(bouncer);
    bouncer.file = () => undefined;
    routes.put(FIRST);
    start();
    await eventually(() => proxy.state.kind === 'failing');
    assert.match(
      String(log.of(events.pgbouncerError)[0]?.['error']),
      /PgBouncer at a: 1s after RELOAD it has no database app, not to 10\.0\.0\.1; its own log says why/,
    );
    assert.equal(log.of(events.routeApplied).length, 0);
    bouncer.file = config.read;
    await applied(FIRST);
  });

  it('keeps file and bouncers as they are at a bad or a missing value', async () => {
    routes.put(FIRST);
    start();
    await applied(FIRST);
    const before = bouncers.map((bouncer) => bouncer.count('RELOAD'));
    routes.putBad('"\\n" is not a usable address: it is neither IPv4 nor IPv6');
    routes.remove();
    await stays(() => proxy.state.kind !== 'failing', 50);
    assert.deepEqual(config.writes, [FIRST]);
    assert.deepEqual(
      bouncers.map((bouncer) => bouncer.count('RELOAD')),
      before,
    );
    const [refused] = log.of(events.routeRefused);
    assert.match(String(refused?.['error']), /not a usable address/);
    assert.match(refused?.msg ?? '', /clients go on being led to 10\.0\.0\.1/);
    assert.match(log.of(events.routeKept)[0]?.msg ?? '', /led to 10\.0\.0\.1/);
    routes.put(SECOND);
    await applied(SECOND);
  });

  it('lets a newer route replace one that still fails, at once', async () => {
    config.failure = new PgcmError('unavailable', 'writing the file: ENOSPC');
    routes.put(FIRST);
    // Without the newer route the next attempt would be an hour away.
    start({ retryInterval: 3_600_000 });
    await eventually(() => proxy.state.kind === 'failing' && proxy.state.attempt > 1);
    assert.equal(log.of(events.routeError).length, 1);
    config.failure = undefined;
    routes.put(SECOND);
    await applied(SECOND);
    assert.deepEqual(config.writes, [SECOND]);
  });

  it('gives up a console that hangs when a newer route is there', async () => {
    const [frozen, up] = bouncers;
    assert.ok(frozen && up);
    frozen.freeze();
    routes.put(FIRST);
    start();
    await eventually(() => up.count('SHOW DATABASES') > 0);
    routes.put(SECOND);
    await eventually(() => up.count('RELOAD') === 2);
    assert.deepEqual(config.writes, [FIRST, SECOND]);
    frozen.thaw();
    await applied(SECOND);
    assert.deepEqual(
      log.of(events.routeApplied).map(({ host }) => host),
      [SECOND],
    );
    assert.equal(log.of(events.pgbouncerError).length, 0);
  });

  it('drops a route that is older than the one it knows', async () => {
    routes.put(FIRST);
    routes.put(SECOND);
    const newest = routes.reading;
    start();
    await applied(SECOND);
    routes.tell({ kind: 'route', route: { address: parseAddress(FIRST), revision: 1n } });
    routes.tell(newest);
    await stays(() => proxy.state.kind === 'applied', 30);
    assert.deepEqual(config.writes, [SECOND]);
    assert.equal(log.of(events.staleRevision).length, 1);
  });

  it('goes on with the earlier template, and says so once', async () => {
    config.staleTemplate = 'pgbouncer.ini.template:1:3: "Hots" is no known name here';
    routes.put(FIRST);
    start();
    await applied(FIRST);
    routes.put(SECOND);
    await applied(SECOND);
    assert.equal(log.of(events.templateError).length, 1);
  });

  it('ends when it is told to, also in the middle of an attempt', async () => {
    for (const bouncer of bouncers) bouncer.freeze();
    routes.put(FIRST);
    start();
    await eventually(() => proxy.state.kind === 'applying' && config.writes.length === 1);
    stop.abort();
    await running;
    assert.equal(log.of(events.pgbouncerError).length, 0);
  });
});

describe('whether a bouncer leads to the route', () => {
  const database = (name: string, host: string | undefined): BouncerDatabase => ({
    name,
    host,
    port: 5432,
    paused: false,
  });
  const leads = (databases: Record<string, string>, otherwise?: string) => ({
    databases: new Map(Object.entries(databases)),
    otherwise,
    named: new Set([...Object.keys(databases), 'report']),
  });

  it('is every database of the file with its host; others may lead anywhere', () => {
    const shown = [database('app', FIRST), database('report', SECOND), database('local', undefined)];
    assert.equal(findAstray(shown, leads({ app: FIRST }), FIRST), undefined);
    assert.match(
      findAstray(shown, leads({ app: FIRST, report: FIRST }), FIRST) ?? '',
      /report leads to 10\.0\.0\.2/,
    );
    assert.match(findAstray(shown, leads({ local: FIRST }), FIRST) ?? '', /local leads to a unix socket/);
    assert.match(findAstray([], leads({ app: FIRST }), FIRST) ?? '', /no database app/);
  });

  it('is every database made from *, of which there may be none', () => {
    assert.equal(findAstray([], leads({}, FIRST), FIRST), undefined);
    assert.equal(
      findAstray([database('x', FIRST), database('report', SECOND)], leads({}, FIRST), FIRST),
      undefined,
    );
    assert.match(
      findAstray([database('x', SECOND)], leads({}, FIRST), FIRST) ?? '',
      /x, made from \*, leads to/,
    );
  });

  it('is any database when the entries stand in a file that is brought in', () => {
    assert.equal(findAstray([database('x', `${SECOND},${FIRST}`)], leads({}), FIRST), undefined);
    assert.match(findAstray([database('x', SECOND)], leads({}), FIRST) ?? '', /none of its databases/);
  });
});
