import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { monotonic } from '../../src/runtime/clock.js';
import { Addresses } from '../../src/supervise/addresses.js';
import { Publisher } from '../../src/supervise/publisher.js';
import { FakeLog } from '../fakes/log.js';
import { FakeManager, healthyTopology, member } from '../fakes/manager.js';
import { FakeRoutes } from '../fakes/routes.js';
import { eventually, stays } from '../support/eventually.js';

describe('publisher', () => {
  let manager: FakeManager;
  let routes: FakeRoutes;
  let log: FakeLog;
  let record: { exists: boolean; claimedByUs: boolean; confirmsUs: boolean };
  let role: { promotedSince: number | undefined; settle: () => void };
  let observed: string[];
  let pollInterval: number;
  let stop: AbortController;
  let running: Promise<void>;
  let publisher: Publisher;

  function start(local: string): void {
    manager.local = local;
    publisher = new Publisher({
      manager,
      addresses: new Addresses(manager),
      routes,
      herald: {
        announce: ({ address, expected }) => routes.publish(address, expected),
        observe: ({ wanted }) => observed.push(wanted.kind),
      },
      role,
      record,
      log,
      pollInterval,
      retryInterval: 20,
      etcdTimeout: 200,
    });
    running = publisher.run(stop.signal);
  }

  beforeEach(() => {
    manager = new FakeManager();
    routes = new FakeRoutes();
    log = new FakeLog();
    role = { promotedSince: undefined, settle: () => (role.promotedSince = undefined) };
    record = { exists: false, claimedByUs: false, confirmsUs: false };
    observed = [];
    pollInterval = 20;
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  const published = (): string | undefined =>
    routes.reading.kind === 'route' ? routes.reading.route.address : undefined;

  it("publishes at once on the primary's own node, and writes nothing more while nothing changes", async () => {
    start('pg01');
    await eventually(() => published() === '10.77.0.11');
    const looks = manager.looks;
    await eventually(() => manager.looks > looks + 5);
    assert.deepEqual(routes.published, ['10.77.0.11']);
  });

  it('lets another node publish only after it has seen the difference for a while', async () => {
    routes.put('10.77.0.13');
    start('pg02');
    const looks = manager.looks;
    await eventually(() => manager.looks > looks + 5);
    assert.equal(published(), '10.77.0.13', 'too early');
    await eventually(() => published() === '10.77.0.11');
  });

  it('defect 10: restores a key that was deleted by hand', async () => {
    start('pg01');
    await eventually(() => published() === '10.77.0.11');
    routes.remove();
    await eventually(() => published() === '10.77.0.11');
  });

  it('keeps the route without quorum, with two primaries, and when the look fails; says each once; then is right again', async () => {
    start('pg01');
    await eventually(() => published() === '10.77.0.11');
    manager.topology = { ...healthyTopology(), quorum: false };
    await eventually(() => log.of(events.pacemakerError).length === 1);
    manager.topology = { ...healthyTopology(), primary: { kind: 'several', names: ['pg01', 'pg02'] } };
    await eventually(() => log.of(events.pacemakerError).length === 2);
    manager.failure = new PgcmError('timed-out', 'crm_mon: killed');
    await eventually(() => log.of(events.pacemakerError).length === 3);
    assert.equal(published(), '10.77.0.11');
    manager.failure = undefined;
    manager.topology = { ...healthyTopology(), primary: { kind: 'one', name: 'pg02' } };
    await eventually(() => published() === '10.77.0.12');
    assert.equal(log.of(events.pacemakerError).length, 3);
    assert.equal(log.of(events.publishRecovered).length, 1);
  });

  it('says that etcd failed, and publishes when it is back', async () => {
    routes.failure = new PgcmError('unavailable', 'etcd is down');
    start('pg01');
    await eventually(() => log.of(events.publishError).length === 1);
    routes.failure = undefined;
    await eventually(() => published() === '10.77.0.11');
  });

  it('publishes early after a promotion here, and not before the old primary is seen demoted', async () => {
    routes.put('10.77.0.11');
    const members = [member('pg01', { role: 'unknown' }), member('pg02'), member('pg03')];
    manager.topology = { quorum: true, primary: { kind: 'none', why: 'nobody' }, members };
    start('pg02');
    role.promotedSince = monotonic();
    publisher.hurry();
    await stays(() => published() === '10.77.0.11', 100);
    manager.topology = {
      ...manager.topology,
      members: [member('pg01', { role: 'stopped' }), ...members.slice(1)],
    };
    await eventually(() => published() === '10.77.0.12');
    assert.equal(log.of(events.etcdUpdate)[0]?.['early'], true);
  });

  /** pg01 was demoted, pg02 is about to be promoted; only a look that is let through is answered. */
  async function expectingPromotion(): Promise<{ hold: () => void; release: () => void }> {
    routes.put('10.77.0.11');
    const members = [member('pg01', { role: 'stopped' }), member('pg02'), member('pg03')];
    manager.topology = { quorum: true, primary: { kind: 'none', why: 'nobody' }, members };
    let gate: Promise<void> | undefined;
    let release = (): void => undefined;
    const look = manager.look.bind(manager);
    manager.look = async () => {
      const { topology } = manager;
      await gate;
      return gate === undefined ? look() : topology;
    };
    start('pg02');
    publisher.expectPromotion();
    await eventually(() => publisher.recentLook(100) !== undefined);
    return {
      hold: () => {
        gate = new Promise<void>((resolve) => (release = resolve));
      },
      release: () => release(),
    };
  }

  it('publishes a promotion from the look that it has at hand, without waiting for another', async () => {
    const looks = await expectingPromotion();
    looks.hold();
    role.promotedSince = monotonic();
    publisher.hurry();
    await eventually(() => published() === '10.77.0.12');
    looks.release();
  });

  it('does not publish from a look that is too old', async () => {
    const looks = await expectingPromotion();
    looks.hold();
    await eventually(() => publisher.recentLook(600) === undefined);
    role.promotedSince = monotonic();
    publisher.hurry();
    await stays(() => published() === '10.77.0.11', 100);
    looks.release();
    await eventually(() => published() === '10.77.0.12');
  });

  it('publishes a promotion that the record confirms whatever the last look showed, and waits for no other', async () => {
    pollInterval = 600_000;
    record.exists = true;
    record.claimedByUs = true;
    routes.put('10.77.0.11');
    start('pg02');
    await eventually(() => publisher.recentLook(60_000) !== undefined);
    const look = manager.look.bind(manager);
    let release = (): void => undefined;
    manager.look = () => new Promise((resolve) => (release = () => resolve(manager.topology)));
    publisher.expectPromotion();
    role.promotedSince = monotonic();
    publisher.hurry();
    await stays(() => published() === '10.77.0.11', 50);
    record.confirmsUs = true;
    publisher.hurry();
    await eventually(() => published() === '10.77.0.12');
    assert.equal(log.of(events.etcdUpdate)[0]?.['early'], true);
    manager.look = look;
    release();
  });

  it('also when the newest look failed, and over a route that nobody has written since the last good one', async () => {
    record.exists = true;
    routes.put('10.77.0.11');
    start('pg02');
    await eventually(() => publisher.recentLook(1_000) !== undefined);
    manager.failure = new PgcmError('timed-out', 'crm_mon: no answer within 500ms');
    await eventually(() => log.of(events.pacemakerError).length > 0);
    role.promotedSince = monotonic();
    record.confirmsUs = true;
    publisher.hurry();
    await eventually(() => published() === '10.77.0.12');
  });

  it('a look from before the promotion that names this node, as it was primary once before, settles nothing', async () => {
    record.exists = true;
    manager.topology = { ...healthyTopology(), primary: { kind: 'one', name: 'pg02' } };
    pollInterval = 600_000;
    routes.put('10.77.0.11');
    start('pg02');
    role.promotedSince = monotonic() + 600_000;
    record.confirmsUs = true;
    await eventually(() => published() === '10.77.0.12');
    assert.notEqual(role.promotedSince, undefined, 'its promotion is settled');
  });

  it('a confirmed record that is not of a promotion under our eyes publishes nothing', async () => {
    routes.put('10.77.0.11');
    record = { exists: true, claimedByUs: false, confirmsUs: true };
    start('pg02');
    publisher.hurry();
    await stays(() => published() === '10.77.0.11', 100);
  });

  it('looks often while a promotion is expected, and only then', async () => {
    pollInterval = 600_000;
    start('pg02');
    await eventually(() => manager.looks >= 1);
    const { looks } = manager;
    await stays(() => manager.looks === looks, 200);
    assert.ok(publisher.expectPromotion(), 'PostgreSQL has to be asked for it, too');
    await eventually(() => manager.looks > looks + 2, { limit: 2_000 });
  });

  it('looks for no promotion that the record will tell of', async () => {
    pollInterval = 600_000;
    record.exists = true;
    start('pg02');
    await eventually(() => manager.looks >= 1);
    const { looks } = manager;
    assert.ok(!publisher.expectPromotion());
    // One follows the first reading of the route. Expecting, it would look four times a second.
    await stays(() => manager.looks <= looks + 1, 800);
  });

  it('does not publish a view that is older than what somebody else wrote', async () => {
    routes.put('10.77.0.11');
    // The look began before pg02 was promoted and published by its own node; it ends after that.
    const late = healthyTopology();
    manager.topology = { ...late, primary: { kind: 'one', name: 'pg03' } };
    manager.look = () => {
      manager.looks += 1;
      if (manager.looks === 1) routes.put('10.77.0.12');
      return Promise.resolve(
        manager.looks === 1 ? manager.topology : { ...late, primary: { kind: 'one', name: 'pg02' } },
      );
    };
    start('pg03');
    await eventually(() => manager.looks > 5);
    assert.deepEqual(routes.published, []);
    assert.equal(published(), '10.77.0.12');
  });

  it('does not publish itself because of its promotion long ago when the primary is moved away', async () => {
    role.promotedSince = monotonic();
    start('pg01');
    await eventually(() => published() === '10.77.0.11');
    // pg01 was demoted, pg02 promoted; crm_mon does not say so yet, and here nobody has asked PostgreSQL since.
    const members = [member('pg01'), member('pg02'), member('pg03')];
    manager.topology = { quorum: true, primary: { kind: 'none', why: 'nobody' }, members };
    routes.put('10.77.0.12');
    const looks = manager.looks;
    await eventually(() => manager.looks > looks + 3);
    assert.equal(published(), '10.77.0.12');
  });

  it("takes the watch's word over the answer to its own write, which may come later", async () => {
    const publish = routes.publish.bind(routes);
    routes.publish = async (address, expected) => {
      routes.publish = publish;
      const outcome = await publish(address, expected);
      // Somebody else's write after ours; the watch tells of it before our answer is there.
      routes.put('10.77.0.13');
      return outcome;
    };
    start('pg01');
    await eventually(() => routes.published.length === 2);
    assert.equal(published(), '10.77.0.11');
  });

  it('looks again at once after news that came during a look', async () => {
    pollInterval = 600_000;
    const look = manager.look.bind(manager);
    start('pg02');
    await eventually(() => log.of(events.nodeChange).length === 1);
    const { looks } = manager;
    manager.look = async () => {
      manager.look = look;
      const seen = await look();
      publisher.hurry();
      return seen;
    };
    routes.put('10.77.0.11');
    await eventually(() => manager.looks >= looks + 2);
  });

  it('ends with the failure of the watch, and leaves no rejection unhandled', async () => {
    routes.follow = () => Promise.reject(new PgcmError('internal', 'the reader failed'));
    start('pg01');
    await assert.rejects(running, /the reader failed/);
    running = Promise.resolve();
  });

  it('says nothing of a look that its own stop has interrupted', async () => {
    manager.look = () =>
      new Promise((_, reject) =>
        stop.signal.addEventListener('abort', () => reject(new PgcmError('aborted', 'crm_mon: interrupted'))),
      );
    start('pg01');
    await eventually(() => routes.following === 1);
    stop.abort();
    await running;
    assert.deepEqual(log.of(events.pacemakerError), []);
  });
});
