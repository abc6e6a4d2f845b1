import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { HoldState } from '../../src/domain/hold.js';
import type { ProxyPause, ProxyState } from '../../src/domain/switchover.js';
import type { PauseNews } from '../../src/pausing/pause-keeper.js';
import type { RouteState, VerifiedRoute } from '../../src/proxy/route-state.js';
import { Registrar } from '../../src/proxy/registrar.js';
import { untilAborted } from '../../src/runtime/deadline.js';
import { Latest } from '../../src/runtime/latest.js';
import { FakeBouncer } from '../fakes/bouncer.js';
import { eventually } from '../support/eventually.js';

const calm: PauseNews = { reasons: [], clientsWaiting: 0, longestWait: 0 };
const holding: PauseNews = { reasons: ['request:1'], clientsWaiting: 0, longestWait: 0 };

describe('the registration of a proxy', () => {
  let told: ProxyState[];
  let states: Latest<RouteState>;
  let verified: Latest<VerifiedRoute | undefined>;
  let pause: Latest<ProxyPause>;
  let news: Latest<PauseNews>;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => start(60_000));
  async function start(leisure: number): Promise<void> {
    told = [];
    states = new Latest<RouteState>({ kind: 'waiting' });
    verified = new Latest<VerifiedRoute | undefined>(undefined);
    pause = new Latest<ProxyPause>({ kind: 'running' });
    news = new Latest(calm);
    stop = new AbortController();
    running = new Registrar({
      registration: {
        name: 'registering',
        set: (state) => void told.push(state),
        run: (signal) => untilAborted(signal).then(() => undefined),
      },
      identity: { id: 'app01', host: 'app01', instance: 'one', version: '1' },
      routes: { states, verified },
      requests: { pause, ready: Promise.resolve() },
      keeper: { news },
      hold: new Latest<HoldState>({ kind: 'none' }),
      bouncers: [new FakeBouncer()],
      follows: () => 'all',
      timeout: 1_000,
      leisure,
    }).run(stop.signal);
    await eventually(() => told.length > 0 && told.at(-1)?.bouncers.length === 1);
    told = [];
  }
  afterEach(async () => {
    stop.abort();
    await running;
  });

  const routed = (revision: bigint): void =>
    verified.set({
      route: { address: parseAddress('10.77.0.12'), revision },
      at: '2026-01-01T00:00:00.000Z',
    });

  async function paused(): Promise<void> {
    news.set(holding);
    pause.set({ kind: 'paused', request: '1' });
    await eventually(() => told.at(-1)?.pause.kind === 'paused');
    told = [];
  }

  it('tells of a route at once, and of a pause', async () => {
    routed(5n);
    await eventually(() => told.length === 1);
    assert.equal(told[0]?.route?.revision, 5n);
    news.set(holding);
    pause.set({ kind: 'paused', request: '1' });
    await eventually(() => told.length === 2);
    assert.equal(told[1]?.pause.kind, 'paused');
  });

  it('tells of a route that came in a pause together with its end, which is told at once', async () => {
    await paused();
    routed(6n);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(told, []);
    news.set(calm);
    pause.set({ kind: 'running' });
    await eventually(() => told.length > 0);
    const all = told as readonly ProxyState[];
    assert.deepEqual(
      all.map((state) => [state.pause.kind, state.route?.revision]),
      [['running', 6n]],
    );
  });

  it('tells of a route that came in a pause a moment later, when the pause goes on', async () => {
    stop.abort();
    await running;
    await start(20);
    await paused();
    routed(6n);
    await eventually(() => told.length > 0);
    assert.deepEqual([told[0]?.pause.kind, told[0]?.route?.revision], ['paused', 6n]);
  });
});
