import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { Route } from '../../src/domain/route.js';
import { OutputKeeper } from '../../src/proxy/output-keeper.js';
import type { RouteState } from '../../src/proxy/route-state.js';
import { Latest } from '../../src/runtime/latest.js';
import { FakeLog } from '../fakes/log.js';
import { FakeOutput } from '../fakes/output.js';
import { topologyOf } from '../fakes/topologies.js';
import { FakeViews } from '../fakes/views.js';
import { eventually, stays } from '../support/eventually.js';

const FIRST = '10.77.0.11';
const SECOND = '10.77.0.12';

describe('an output of the proxy', () => {
  let output: FakeOutput;
  let states: Latest<RouteState>;
  let views: FakeViews;
  let log: FakeLog;
  let keeper: OutputKeeper;
  let stop: AbortController;
  let running: Promise<void>;

  const route = (address: string, revision: bigint): Route => ({ address: parseAddress(address), revision });
  const failing = (of: Route): RouteState => ({ kind: 'failing', route: of, attempt: 1, problems: ['x'] });

  beforeEach(() => {
    output = new FakeOutput();
    states = new Latest<RouteState>({ kind: 'waiting' });
    views = new FakeViews();
    log = new FakeLog();
    stop = new AbortController();
    keeper = new OutputKeeper({ output, states, views, log, backoff: { min: 5, max: 10 }, lookInterval: 5 });
    running = keeper.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  it('follows the route, also while PgBouncer has its own troubles', async () => {
    await stays(() => output.attempts === 0, 20);
    states.set(failing(route(FIRST, 1n)));
    await eventually(() => output.applied.length === 1);
    states.set(failing(route(SECOND, 2n)));
    await eventually(() => output.applied.length === 2);
    assert.deepEqual(output.applied, [FIRST, SECOND]);
    await eventually(() => keeper.state.value.revision === 2n);
    assert.deepEqual(keeper.state.value, { name: 'fake', revision: 2n, error: '' });
  });

  it('lets the PgBouncers go first, for a moment', async () => {
    const first = route(FIRST, 1n);
    states.set({ kind: 'applying', route: first, attempt: 0 });
    await stays(() => output.attempts === 0, 50);
    states.set(failing(first));
    await eventually(() => output.applied.length === 1);
    states.set({ kind: 'applying', route: route(SECOND, 2n), attempt: 0 });
    await eventually(() => output.applied.length === 2);
  });

  it('follows standbys that come and go, and does nothing while nothing changes', async () => {
    states.set(failing(route(FIRST, 1n)));
    await eventually(() => output.applied.length === 1);
    views.topology = topologyOf('pg01');
    await eventually(() => output.applied.length === 2);
    assert.deepEqual(output.applied, [FIRST, `${FIRST} pg02 pg03`]);
    views.topology = { ...topologyOf('pg01'), timeline: 7 };
    await stays(() => output.attempts === 2, 30);
  });

  it('tries again what failed, tells each trouble once, and that it is over', async () => {
    output.failure = new PgcmError('refused', 'the check refuses it');
    states.set(failing(route(FIRST, 1n)));
    await eventually(() => output.attempts > 4);
    assert.equal(log.of(events.outputError).length, 1);
    assert.equal(keeper.state.value.error, 'the check refuses it');
    output.failure = undefined;
    await eventually(() => keeper.state.value.error === '');
    assert.equal(log.of(events.outputRecovered).length, 1);
    assert.deepEqual(output.applied, [FIRST]);
  });

  it('gives up what hangs when a newer route is there', async () => {
    output.hangs = true;
    states.set(failing(route(FIRST, 1n)));
    await eventually(() => output.attempts === 1);
    await stays(() => output.attempts === 1, 30);
    output.hangs = false;
    states.set(failing(route(SECOND, 2n)));
    await eventually(() => output.applied.length === 1);
    assert.deepEqual(output.applied, [SECOND]);
    assert.equal(log.of(events.outputError).length, 0);
  });

  it('says when it goes on with an earlier state of the template', async () => {
    output.staleTemplate = 'template:1:1: why';
    states.set(failing(route(FIRST, 1n)));
    await eventually(() => log.of(events.templateError).length === 1);
  });
});
