import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { BouncerPool, PauseScope } from '../../src/domain/bouncer.js';
import type { PublishedTopology } from '../../src/domain/switchover.js';
import { Suspicion } from '../../src/proxy/suspicion.js';
import { Latest } from '../../src/runtime/latest.js';
import { FakeBouncer } from '../fakes/bouncer.js';
import { topologyOf } from '../fakes/topologies.js';
import { eventually } from '../support/eventually.js';

const lost = topologyOf('pg01', { primary: { state: 'lost', name: 'pg01', since: '2026-01-01T00:00:00Z' } });

function pool(database: string, clientsWaiting: number, servers: number): BouncerPool {
  return { database, user: 'app', clientsWaiting, servers, longestWait: 0, poolMode: undefined };
}

describe('what sounds like trouble with the primary', () => {
  let bouncers: readonly [FakeBouncer, FakeBouncer];
  let topology: Latest<PublishedTopology | undefined>;
  let follows: PauseScope;
  let isHeld: boolean;
  let suspicions: number;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    bouncers = [new FakeBouncer([], 'one'), new FakeBouncer([], 'two')];
    topology = new Latest<PublishedTopology | undefined>(undefined);
    follows = ['app'];
    isHeld = false;
    suspicions = 0;
    stop = new AbortController();
    running = new Suspicion({
      topology,
      bouncers,
      follows: () => follows,
      isHeld: () => isHeld,
      onSuspicion: () => (suspicions += 1),
      interval: 5,
    }).run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  /** So many more times the consoles are looked at. */
  const looks = async (times = 3): Promise<void> => {
    const before = bouncers[1].count('SHOW POOLS');
    await eventually(() => bouncers[1].count('SHOW POOLS') >= before + times);
  };

  it('is nothing while nobody waits and nobody is lost', async () => {
    topology.set(topologyOf());
    await looks();
    assert.equal(suspicions, 0);
  });

  it('is a primary that is published as lost, each time that it is', async () => {
    topology.set(topologyOf());
    topology.set(lost);
    await eventually(() => suspicions === 1);
    topology.set(topologyOf());
    await looks();
    assert.equal(suspicions, 1);
    topology.set(lost);
    await eventually(() => suspicions === 2);
  });

  it('is clients that wait where no server serves them, behind whichever bouncer', async () => {
    bouncers[1].waiting = [pool('app', 0, 3), pool('app', 1, 0)];
    await eventually(() => suspicions > 1);
  });

  for (const [what, row] of [
    ['clients that wait for one of the servers there are', pool('app', 5, 1)],
    ['a pool without servers that nobody waits for', pool('app', 0, 0)],
    ['clients of a database that does not lead to the primary', pool('reports', 5, 0)],
  ] as const) {
    it(`is not ${what}`, async () => {
      bouncers[0].waiting = [row];
      await looks();
      assert.equal(suspicions, 0);
    });
  }

  it('is clients of any database when all of them lead to the primary', async () => {
    follows = 'all';
    bouncers[0].waiting = [pool('reports', 5, 0)];
    await eventually(() => suspicions > 0);
  });

  it('is not what waits because it is held', async () => {
    isHeld = true;
    await looks(0);
    bouncers[0].waiting = [pool('app', 5, 0)];
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(suspicions, 0);
    isHeld = false;
    await eventually(() => suspicions > 0);
  });

  it('is looked for at the others when one console does not answer', async () => {
    bouncers[0].stop();
    bouncers[1].waiting = [pool('app', 5, 0)];
    await eventually(() => suspicions > 0);
  });
});
