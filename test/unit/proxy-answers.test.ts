import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import type { HealthAnswer } from '../../src/domain/health.js';
import { ProxyAnswers } from '../../src/proxy/proxy-answers.js';
import { createProxy, type RouteProxy } from '../../src/proxy/proxy.js';
import { monotonic } from '../../src/runtime/clock.js';
import { FakeConfig } from '../fakes/bouncer-config.js';
import { FakeBouncer } from '../fakes/bouncer.js';
import { FakeLog } from '../fakes/log.js';
import { FakeRoutes } from '../fakes/routes.js';
import { FakeViews } from '../fakes/views.js';
import { eventually, stays } from '../support/eventually.js';

const FIRST = '10.0.0.1';
const SECOND = '10.0.0.2';

describe('what a proxy answers a load balancer', () => {
  let routes: FakeRoutes;
  let config: FakeConfig;
  let bouncer: FakeBouncer;
  let reasons: string[];
  let proxy: RouteProxy;
  let answers: ProxyAnswers;
  let turns: number;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    routes = new FakeRoutes();
    config = new FakeConfig();
    bouncer = new FakeBouncer([], 'a');
    bouncer.file = config.read;
    reasons = [];
    turns = 0;
    stop = new AbortController();
    proxy = createProxy({
      ...{ routes, bouncers: [bouncer], config, views: new FakeViews(), log: new FakeLog() },
      ...{ retryInterval: 20, lookInterval: 10, onTurn: () => (turns += 1) },
    });
    answers = new ProxyAnswers({ proxy, reasons: () => reasons });
    running = proxy.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  const says = (check: () => HealthAnswer, ok: boolean, text: RegExp): Promise<void> =>
    eventually(() => check().ok === ok && text.test(check().text), { what: `${String(ok)} ${text.source}` });
  const primary = (): HealthAnswer => answers.primary();

  it('is no way to the primary, and not ready, before it knows one; its loop turns all the same', async () => {
    assert.match(primary().text, /no primary is known/);
    assert.equal(answers.ready().ok, false);
    await eventually(() => turns > 2);
  });

  it('leads to the published primary once that was seen of every PgBouncer', async () => {
    routes.put(FIRST);
    await says(primary, true, /leads to 10\.0\.0\.1, revision 1$/);
    assert.equal(answers.ready().ok, true);
    assert.deepEqual([...proxy.reloads], [['a', 1]]);
    assert.equal(proxy.writes, 1);
    await stays(() => primary().ok, 50);
  });

  it('stays that while clients wait there: they would wait elsewhere, too', async () => {
    routes.put(FIRST);
    await says(primary, true, /revision 1$/);
    reasons = ['request:S1'];
    await says(primary, true, /clients wait: request:S1$/);
  });

  it('is none while the PgBouncer cannot be brought to a newer route, and says why', async () => {
    routes.put(FIRST);
    await says(primary, true, /revision 1$/);
    config.failure = new PgcmError('unavailable', 'the disk is full');
    routes.put(SECOND);
    await says(primary, false, /do not lead to 10\.0\.0\.2, revision 2 yet: .*the disk is full/);
    assert.ok(proxy.failures.of('config') > 0);
    config.failure = undefined;
    await says(primary, true, /leads to 10\.0\.0\.2/);
  });

  it('is none, and not ready, when the PgBouncer went away', async () => {
    routes.put(FIRST);
    await says(primary, true, /revision 1$/);
    bouncer.stop();
    await says(primary, false, /does not lead to 10\.0\.0\.1, revision 1 any more: ./);
    assert.equal(answers.ready().ok, false);
    assert.ok(proxy.failures.of('bouncer') > 0);
  });

  it('what was seen longer than 2 s ago is not known any more', async () => {
    routes.put(FIRST);
    await says(primary, true, /revision 1$/);
    const { state, published, verified } = proxy;
    const old = new ProxyAnswers({
      proxy: { state, published, verified, verifiedAt: monotonic() - 2_100 },
      reasons: () => [],
    });
    assert.match(old.primary().text, /last seen [\d.]+s ago/);
    assert.equal(old.primary().ok, false);
    assert.equal(old.ready().ok, true);
  });
});
