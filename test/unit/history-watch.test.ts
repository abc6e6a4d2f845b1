import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { HistoryFeed, HistoryNews } from '../../src/domain/stores.js';
import { switchoverOutcomes, type SwitchoverReport } from '../../src/domain/switchover.js';
import { exitStatus } from '../../src/failover/outcome.js';
import { HistoryWatch } from '../../src/supervise/history-watch.js';
import { reportOf } from '../fakes/history.js';
import { FakeLog } from '../fakes/log.js';
import { eventually, stays } from '../support/eventually.js';

/** A report for each revision. */
class FakeFeed implements HistoryFeed {
  reports: SwitchoverReport[] = [];
  failure: Error | undefined;
  reads = 0;

  since(after: bigint | undefined): Promise<HistoryNews> {
    this.reads += 1;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const revision = BigInt(this.reports.length);
    const isAfter = after !== undefined && after <= revision;
    return Promise.resolve({
      reports: isAfter ? this.reports.slice(Number(after)) : this.reports.slice(-1),
      revision,
    });
  }

  add(outcome: string): void {
    this.reports.push(reportOf(`S${this.reports.length}`, { outcome }));
  }
}

describe('the count of switchovers', () => {
  let feed: FakeFeed;
  let log: FakeLog;
  let watch: HistoryWatch;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    feed = new FakeFeed();
    log = new FakeLog();
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  const start = ({ interest = 60_000 } = {}): void => {
    watch = new HistoryWatch({ history: feed, log, timeout: 1_000, interval: 10, interest });
    running = watch.run(stop.signal);
  };
  const counted = (): Record<string, number> =>
    Object.fromEntries([...watch.outcomes].filter(([, count]) => count > 0));

  it('knows every outcome that a switchover can have', () => {
    running = Promise.resolve();
    assert.deepEqual([...switchoverOutcomes].sort(), [...Object.keys(exitStatus), 'interrupted'].sort());
  });

  it('asks etcd nothing before somebody wants to know, and nothing long after', async () => {
    start({ interest: 50 });
    await stays(() => feed.reads === 0, 50);
    watch.asked();
    await eventually(() => feed.reads > 1);
    let reads = -1;
    await eventually(() => reads === (reads = feed.reads), { every: 100 });
  });

  it('counts those that end from then on, each once, and shows the newest also from before', async () => {
    feed.add('done');
    feed.add('rolled-back');
    start();
    watch.asked();
    await eventually(() => watch.last?.outcome === 'rolled-back');
    assert.deepEqual(counted(), {});
    feed.add('done');
    feed.add('cleanup-left');
    await eventually(() => watch.last?.outcome === 'cleanup-left');
    const { reads } = feed;
    await eventually(() => feed.reads > reads + 2);
    assert.deepEqual(counted(), { done: 1, 'cleanup-left': 1 });
  });

  it('makes no label of a word that it does not know', async () => {
    start();
    watch.asked();
    await eventually(() => feed.reads > 1);
    feed.add('anything"at all');
    await eventually(() => watch.last !== undefined);
    assert.deepEqual(counted(), { unexpected: 1 });
  });

  it('counts nothing twice when etcd was restored to an earlier state', async () => {
    feed.add('done');
    feed.add('done');
    start();
    watch.asked();
    await eventually(() => feed.reads > 1);
    feed.reports.pop();
    const { reads } = feed;
    await eventually(() => feed.reads > reads + 2);
    assert.deepEqual(counted(), {});
    feed.add('refused');
    await eventually(() => watch.last?.outcome === 'refused');
    assert.deepEqual(counted(), { refused: 1 });
  });

  it('says once that etcd does not answer, and goes on when it does', async () => {
    feed.failure = new PgcmError('unavailable', 'etcd is gone');
    start();
    watch.asked();
    await eventually(() => feed.reads > 3);
    assert.equal(log.of(events.historyError).length, 1);
    feed.failure = undefined;
    feed.add('done');
    await eventually(() => watch.last?.outcome === 'done');
  });
});
