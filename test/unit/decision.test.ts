import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Topology } from '../../src/domain/cluster.js';
import { wantedPrimary } from '../../src/supervise/decision.js';
import { healthyTopology, member } from '../fakes/manager.js';

const promoted = { promotedHere: true };
const asBefore = { promotedHere: false };

/** pg01 was demoted; the cluster manager has not said yet that pg02 is promoted. */
function between(pg01: Parameters<typeof member>[1]): Topology {
  return {
    quorum: true,
    primary: { kind: 'none', why: 'nobody is promoted' },
    members: [member('pg01', pg01), member('pg02', { syncState: 'sync' }), member('pg03')],
  };
}

describe('whose address is published', () => {
  it('is the one that the cluster manager promoted', () => {
    const wanted = wantedPrimary(healthyTopology(), 'pg03', asBefore);
    assert.deepEqual(wanted, { kind: 'primary', name: 'pg01', early: false });
  });

  it('stays what it is without quorum, with no primary, with two', () => {
    const healthy = healthyTopology();
    assert.equal(wantedPrimary({ ...healthy, quorum: false }, 'pg01', promoted).kind, 'keep');
    assert.equal(wantedPrimary(between({ role: 'standby' }), 'pg02', asBefore).kind, 'keep');
    const two: Topology = { ...healthy, primary: { kind: 'several', names: ['pg01', 'pg02'] } };
    assert.equal(wantedPrimary(two, 'pg02', promoted).kind, 'keep');
  });

  it('is this node early, when it was promoted here and the old primary was seen demoted or is off and clean', () => {
    const early = { kind: 'primary', name: 'pg02', early: true };
    assert.deepEqual(wantedPrimary(between({ role: 'standby' }), 'pg02', promoted), early);
    assert.deepEqual(wantedPrimary(between({ role: 'stopped' }), 'pg02', promoted), early);
    assert.deepEqual(wantedPrimary(between({ role: 'unknown', online: false }), 'pg02', promoted), early);
  });

  it('is not this node early while another one could be a primary', () => {
    assert.equal(
      wantedPrimary(between({ role: 'unknown', online: false, unclean: true }), 'pg02', promoted).kind,
      'keep',
    );
    assert.equal(wantedPrimary(between({ role: 'unknown', online: true }), 'pg02', promoted).kind, 'keep');
  });
});
