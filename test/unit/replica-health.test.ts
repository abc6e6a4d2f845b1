import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { nextHealth, type ReplicaHealth } from '../../src/domain/replica-health.js';
import type { PublishedMember, PublishedTopology } from '../../src/domain/switchover.js';
import { topologyOf } from '../fakes/topologies.js';

const MB = 1_024 ** 2;
const MAX = 16 * MB;

describe('the health of standbys', () => {
  let health: ReplicaHealth;
  let now: number;

  /** pg01 is the primary; what is given is of pg02. */
  const see = (
    parts: Partial<PublishedMember>,
    primary: Partial<PublishedTopology['primary']> = {},
  ): boolean => {
    const whole = topologyOf('pg01');
    const members = whole.members.map((one) => (one.name === 'pg02' ? { ...one, ...parts } : one));
    health = nextHealth({ ...whole, members, primary: { ...whole.primary, ...primary } }, health, MAX, now);
    return health.get('pg02')?.healthy ?? false;
  };

  beforeEach(() => {
    health = new Map();
    now = 1_000;
  });

  it('is that of those that are up, standbys, and within the lag', () => {
    assert.equal(see({}), true);
    assert.equal(health.get('pg01')?.healthy, false, 'the primary is no standby');
    assert.equal(see({ lag: MAX }), true);
    assert.equal(see({ lag: 2 * MAX }), false);
  });

  it('has a dead band: who fell out by the lag is back with half of it', () => {
    assert.equal(see({ lag: 2 * MAX }), false);
    const flapping = [16, 32, 16, 32, 16].map((megabytes) => see({ lag: megabytes * MB }));
    assert.deepEqual(flapping, [false, false, false, false, false]);
    assert.equal(see({ lag: 8 * MB }), true);
    assert.equal(see({ lag: 16 * MB }), true);
  });

  it('is lost at once by one that is down, or no standby', () => {
    for (const parts of [{ up: false }, { role: 'stopped' }, { role: 'unknown' }, { address: '' }] as const) {
      assert.equal(see({}), true);
      assert.equal(see(parts), false, JSON.stringify(parts));
    }
  });

  it('stays as it was while the primary is lost, and with it all knowledge of lags', () => {
    see({ lag: 2 * MAX });
    assert.equal(see({ lag: undefined, syncState: 'unknown' }, { state: 'lost' }), false);
    see({ lag: 0 });
    now += 3_600_000;
    assert.equal(see({ lag: undefined, syncState: 'unknown' }, { state: 'lost' }), true);
    health = new Map();
    assert.equal(see({ lag: undefined, syncState: 'sync' }, { state: 'lost' }), true, 'first seen then');
    health = new Map();
    assert.equal(see({ lag: undefined, syncState: 'unknown' }, { state: 'lost' }), false);
  });

  it('outlives the time after a switchover in which no lag is known, and not for ever', () => {
    assert.equal(see({ lag: 0 }), true);
    const silent = { lag: undefined, syncState: 'unknown' } as const;
    assert.equal(see(silent), true);
    now += 29_000;
    assert.equal(see(silent), true);
    now += 2_000;
    assert.equal(see(silent), false);
    assert.equal(see(silent), false);
    assert.equal(see({ lag: 0 }), true);
  });

  it('of one that the cluster manager shows to replicate does not need a lag', () => {
    assert.equal(see({ lag: undefined, syncState: 'async' }), true);
    assert.equal(see({ lag: 2 * MAX }), false);
    assert.equal(see({ lag: undefined, syncState: 'async' }), false);
  });

  it('is not inherited by another machine of the same name', () => {
    assert.equal(see({ lag: 0 }), true);
    assert.equal(see({ address: '10.77.0.99', lag: undefined, syncState: 'unknown' }), false);
  });
});
