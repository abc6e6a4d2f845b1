import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { ProbeFinding } from '../../src/domain/route-probe.js';
import type { ProxyPause } from '../../src/domain/switchover.js';
import type { PauseNews } from '../../src/pausing/pause-keeper.js';
import type { PauseReason } from '../../src/pausing/pause-reasons.js';
import { HoldWatch } from '../../src/proxy/hold-watch.js';
import type { VerifiedRoute } from '../../src/proxy/route-state.js';
import { Latest } from '../../src/runtime/latest.js';
import { FakeLog, type LogLine } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';

const old = parseAddress('10.77.0.11');
const next = parseAddress('10.77.0.12');

/** The keeper, as far as a hold needs it. */
class FakeKeeper {
  readonly news = new Latest<PauseNews>({ reasons: [], clientsWaiting: 0, longestWait: 0 });
  readonly orders: { readonly timeout: number | 'none'; readonly endsAt: number }[] = [];
  failure: Error | undefined;
  refusals = 0;

  hold(
    reason: PauseReason,
    order: { readonly timeout: number | 'none'; readonly endsAt: number },
  ): Promise<void> {
    this.orders.push(order);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.#set([...this.news.value.reasons, reason]);
    return Promise.resolve();
  }

  release(reason: PauseReason): Promise<'running' | 'held'> {
    if (this.refusals > 0) {
      this.refusals -= 1;
      return Promise.reject(new PgcmError('unavailable', 'the console is gone'));
    }
    this.#set(this.news.value.reasons.filter((one) => one !== reason));
    return Promise.resolve('running');
  }

  #set(reasons: readonly PauseReason[]): void {
    this.news.set({ ...this.news.value, reasons });
  }
}

describe('the hold of a proxy', () => {
  let keeper: FakeKeeper;
  let log: FakeLog;
  let verified: Latest<VerifiedRoute | undefined>;
  let pause: Latest<ProxyPause>;
  let findings: Map<string, ProbeFinding | 'hangs'>;
  let asked: string[];
  let cuts: string[];
  let lost: boolean;
  let watch: HoldWatch;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    keeper = new FakeKeeper();
    log = new FakeLog();
    verified = new Latest<VerifiedRoute | undefined>(undefined);
    pause = new Latest<ProxyPause>({ kind: 'running' });
    findings = new Map<string, ProbeFinding>([
      [old, { kind: 'writes' }],
      [next, { kind: 'writes' }],
    ]);
    asked = [];
    cuts = [];
    lost = false;
    start(60_000);
    routed(old, 1n);
    // Answered once: it is believed from then on.
    await eventually(() => asked.length > 0);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  function start(timeout: number, interval = 10): void {
    watch = new HoldWatch({
      verified,
      keeper,
      pause,
      probe: {
        find: (address, signal) => {
          asked.push(address);
          const finding = findings.get(address) ?? { kind: 'gone', why: 'nobody is there' };
          if (finding !== 'hangs') return Promise.resolve(finding);
          return new Promise((_, reject) =>
            signal.addEventListener('abort', () => reject(new PgcmError('aborted', 'given up'))),
          );
        },
      },
      isLost: () => lost,
      cut: (address) => Promise.resolve(void cuts.push(address)),
      interval,
      timeout,
      log,
    });
    stop = new AbortController();
    running = watch.run(stop.signal);
  }

  async function restart(timeout: number, interval?: number): Promise<void> {
    stop.abort();
    await running;
    const before = asked.length;
    start(timeout, interval);
    await eventually(() => asked.length > before);
  }

  const routed = (address: typeof old, revision: bigint): void =>
    verified.set({ route: { address, revision }, at: '2026-01-01T00:00:00Z' });
  const isHeld = (): boolean => keeper.news.value.reasons.includes('hold');
  const asksAgain = async (times = 2): Promise<void> => {
    const before = asked.length;
    await eventually(() => asked.length >= before + times);
  };

  it('holds nobody while the primary takes writes, or lets clients log in', async () => {
    await asksAgain();
    findings.set(old, { kind: 'accepts' });
    await asksAgain();
    assert.deepEqual(keeper.orders, []);
  });

  for (const kind of ['gone', 'silent', 'rejects', 'read-only'] as const) {
    it(`holds clients when the primary is found ${kind}, without a wait for open transactions`, async () => {
      findings.set(old, { kind, why: 'so it is' });
      await eventually(isHeld);
      assert.equal(keeper.orders[0]?.timeout, 'none');
      const state = watch.state.value;
      assert.ok(state.kind === 'held' && state.why === 'so it is');
      assert.deepEqual(cuts, []);
      await asksAgain();
      assert.equal(keeper.orders.length, 1);
    });
  }

  it('one silent probe, then writes: nothing is cut', async () => {
    findings.set(old, { kind: 'silent', why: 'no answer within 1s' });
    await eventually(isHeld);
    findings.set(old, { kind: 'writes' });
    await eventually(() => !isHeld());
    // The next one is another first one.
    findings.set(old, { kind: 'silent', why: 'no answer within 1s' });
    await eventually(isHeld);
    findings.set(old, { kind: 'writes' });
    await eventually(() => !isHeld());
    assert.deepEqual(cuts, []);
  });

  it('two silent: what hangs there is cut, once', async () => {
    findings.set(old, { kind: 'silent', why: 'no answer within 1s' });
    await eventually(isHeld);
    await asksAgain(4);
    assert.deepEqual(cuts, [old]);
  });

  it('cuts nothing of a primary that says itself that it takes no clients, however often', async () => {
    findings.set(old, { kind: 'rejects', why: 'starting up' });
    await eventually(isHeld);
    await asksAgain(4);
    assert.deepEqual(cuts, []);
  });

  it('new route, no hold before: the old one is cut', async () => {
    await restart(60_000, 3_600_000);
    routed(next, 2n);
    await eventually(() => asked.at(-1) === next);
    assert.deepEqual(cuts, [old]);
    routed(next, 3n);
    await asksAgain(1);
    assert.deepEqual(cuts, [old], 'the same address is no other primary');
  });

  it('also a new route that comes while the old primary is being asked', async () => {
    findings.set(old, 'hangs');
    await asksAgain(1);
    await restart(60_000, 3_600_000);
    routed(next, 2n);
    await eventually(() => asked.at(-1) === next);
    assert.deepEqual(cuts, [old]);
  });

  for (const reason of ['request:1', 'api'] as const) {
    it(`in a switchover nothing is cut, but with the next loss (${reason})`, async () => {
      await restart(60_000, 3_600_000);
      // So early is the next one that nothing was found out of this route yet.
      if (reason !== 'api') findings.set(next, 'hangs');
      for (const [address, revision] of [
        [next, 2n],
        [old, 3n],
      ] as const) {
        if (reason !== 'api') pause.set({ kind: 'paused', request: '1' });
        keeper.news.set({ ...keeper.news.value, reasons: [reason] });
        await new Promise((resolve) => setTimeout(resolve, 10));
        routed(address, revision);
        // The release follows in the same turn of the event loop.
        keeper.news.set({ ...keeper.news.value, reasons: [] });
        pause.set({ kind: 'running' });
        await eventually(() => asked.at(-1) === address);
        assert.deepEqual(cuts, [], String(revision));
      }
      routed(next, 4n);
      await eventually(() => asked.at(-1) === next);
      assert.deepEqual(cuts, [old]);
    });
  }

  it('lets them go when the primary takes writes again', async () => {
    findings.set(old, { kind: 'rejects', why: 'starting up' });
    await eventually(isHeld);
    findings.set(old, { kind: 'writes' });
    await eventually(() => !isHeld() && watch.state.value.kind === 'none');
    assert.deepEqual(
      [...watch.counts],
      [
        ['route', 0],
        ['recovered', 1],
        ['over', 0],
      ],
    );
  });

  it('a login is not enough while the primary is published as lost', async () => {
    findings.set(old, { kind: 'gone', why: 'refused' });
    lost = true;
    await eventually(isHeld);
    findings.set(old, { kind: 'accepts' });
    await asksAgain();
    assert.equal(isHeld(), true);
    lost = false;
    await eventually(() => !isHeld());
  });

  it('that it is published as lost holds nobody by itself', async () => {
    findings.set(old, { kind: 'accepts' });
    lost = true;
    watch.suspect();
    await asksAgain();
    assert.deepEqual(keeper.orders, []);
  });

  it('lets them go with a new route, also while the old one is being asked, and cuts off the old primary', async () => {
    findings.set(old, { kind: 'gone', why: 'refused' });
    await eventually(isHeld);
    findings.set(old, 'hangs');
    await asksAgain(1);
    routed(next, 2n);
    await eventually(() => !isHeld());
    assert.deepEqual(cuts, [old]);
    assert.equal(watch.counts.of('route'), 1);
    await eventually(() => asked.at(-1) === next);
  });

  it('the same route applied again is no new one', async () => {
    findings.set(old, { kind: 'gone', why: 'refused' });
    await eventually(isHeld);
    routed(old, 1n);
    await asksAgain();
    assert.equal(isHeld(), true);
  });

  it('tries until they go', async () => {
    findings.set(old, { kind: 'gone', why: 'refused' });
    await eventually(isHeld);
    keeper.refusals = 2;
    routed(next, 2n);
    await eventually(() => !isHeld() && watch.state.value.kind === 'none');
  });

  it('holds again when the new primary takes none either', async () => {
    findings.set(old, { kind: 'gone', why: 'refused' });
    await eventually(isHeld);
    findings.set(next, { kind: 'gone', why: 'refused, too' });
    routed(next, 2n);
    await eventually(() => keeper.orders.length === 2);
    assert.equal(isHeld(), true);
  });

  it('says when they waited for too long, and holds them no second time for the same loss', async () => {
    await restart(50);
    findings.set(old, { kind: 'gone', why: 'refused' });
    await eventually(() => watch.state.value.kind === 'over');
    await keeper.release('hold');
    await asksAgain();
    assert.equal(keeper.orders.length, 1);
    const ends = log.lines.filter(({ event }) => event === events.holdEnd);
    assert.match(JSON.stringify(ends), /over.*hold-timeout/);
    findings.set(old, { kind: 'writes' });
    await eventually(() => watch.state.value.kind === 'none');
    findings.set(old, { kind: 'gone', why: 'refused' });
    await eventually(() => keeper.orders.length === 2);
  });

  it('leaves clients alone while a switchover holds them', async () => {
    pause.set({ kind: 'paused', request: '1' });
    keeper.news.set({ ...keeper.news.value, reasons: ['request:1'] });
    await new Promise((resolve) => setTimeout(resolve, 30));
    const before = asked.length;
    findings.set(old, { kind: 'gone', why: 'refused' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(asked.length, before);
    pause.set({ kind: 'running' });
    keeper.news.set({ ...keeper.news.value, reasons: [] });
    await eventually(isHeld);
  });

  it('counts what clients have waited for a switchover that led nowhere', async () => {
    await restart(400);
    const begun = performance.now();
    pause.set({ kind: 'paused', request: '1' });
    findings.set(old, { kind: 'gone', why: 'refused' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    pause.set({ kind: 'running' });
    await eventually(() => keeper.orders.length === 1);
    const left = (keeper.orders[0]?.endsAt ?? 0) - performance.now();
    assert.ok(left <= 400 - 100 + 20, `${left} ms of ${performance.now() - begun}`);
  });

  it('holds nobody who has waited for longer than that in a switchover', async () => {
    await restart(50);
    pause.set({ kind: 'paused', request: '1' });
    findings.set(old, { kind: 'gone', why: 'refused' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    pause.set({ kind: 'running' });
    await eventually(() => watch.state.value.kind === 'over');
    assert.deepEqual(keeper.orders, []);
    routed(next, 2n);
    await eventually(() => watch.state.value.kind === 'none');
  });

  it('a switchover that led to its end counts for nothing', async () => {
    await restart(60_000);
    pause.set({ kind: 'paused', request: '1' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    routed(next, 2n);
    pause.set({ kind: 'running' });
    findings.set(next, { kind: 'gone', why: 'refused' });
    await eventually(() => keeper.orders.length === 1);
    assert.ok((keeper.orders[0]?.endsAt ?? 0) - performance.now() > 59_850);
  });

  it('a suspicion has it ask at once', async () => {
    await restart(60_000, 3_600_000);
    const before = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(asked.length <= before + 1);
    findings.set(old, { kind: 'gone', why: 'refused' });
    watch.suspect();
    await eventually(isHeld);
  });

  it('a bouncer that cannot be told is told of once, and tried again', async () => {
    keeper.failure = new PgcmError('unavailable', 'the console is gone');
    findings.set(old, { kind: 'gone', why: 'refused' });
    await eventually(() => keeper.orders.length >= 3);
    assert.equal(log.lines.filter(({ event }) => event === events.holdFailed).length, 1);
    keeper.failure = undefined;
    await eventually(isHeld);
  });

  describe('while its probe was never answered', () => {
    const told = (): readonly LogLine[] => log.of(events.probeError);

    beforeEach(async () => {
      findings.set(old, { kind: 'silent', why: 'no answer within 1s' });
      findings.set(next, { kind: 'gone', why: 'refused' });
      await restart(60_000);
    });

    it('holds nobody, also after a new route, and says so once', async () => {
      await asksAgain();
      findings.set(old, { kind: 'gone', why: 'refused' });
      watch.suspect();
      await asksAgain();
      routed(next, 2n);
      await asksAgain();
      assert.equal(asked.at(-1), next);
      assert.deepEqual(keeper.orders, []);
      assert.deepEqual(watch.state.value, { kind: 'none' });
      assert.deepEqual(
        told().map(({ address, error }) => [address, error]),
        [[old, 'no answer within 1s']],
      );
      assert.match(told()[0]?.msg ?? '', /probe-port.*probe-user.*firewall/);
    });

    for (const answer of [
      { kind: 'writes' },
      { kind: 'accepts' },
      { kind: 'accepts', trouble: 'password authentication failed' },
    ] as const satisfies readonly ProbeFinding[]) {
      it(`holds once it was answered: ${JSON.stringify(answer)}, by whichever address`, async () => {
        findings.set(next, answer);
        routed(next, 2n);
        await eventually(() => log.of(events.probeRecovered).length === 1);
        findings.set(next, { kind: 'gone', why: 'refused' });
        routed(old, 3n);
        await eventually(isHeld);
        assert.equal(watch.state.value.kind === 'held' && watch.state.value.why, 'no answer within 1s');
      });
    }

    it('a PostgreSQL that says itself that it takes no clients is believed', async () => {
      findings.set(old, { kind: 'rejects', why: 'the database system is starting up' });
      await eventually(isHeld);
    });
  });

  it('an error in answer to the probe is told once, and again when the probe had worked meanwhile', async () => {
    const trouble = 'password authentication failed for user "probe"';
    const refused: ProbeFinding = { kind: 'accepts', trouble };
    const told = (): readonly LogLine[] => log.of(events.probeError);
    findings.set(old, refused);
    await asksAgain(3);
    assert.deepEqual(
      told().map(({ address, error }) => [address, error]),
      [[old, trouble]],
    );
    assert.match(told()[0]?.msg ?? '', /probe-user.*probe-password/);
    // Neither says that the login is well again.
    for (const why of ['rejects', 'gone'] as const) {
      findings.set(old, { kind: why, why: 'restarting' });
      await asksAgain();
    }
    findings.set(old, refused);
    await asksAgain(3);
    assert.deepEqual([told().length, log.of(events.probeRecovered).length], [1, 0]);
    findings.set(old, { kind: 'writes' });
    await eventually(() => log.of(events.probeRecovered).length === 1);
    findings.set(old, refused);
    await eventually(() => told().length === 2);
  });
});
