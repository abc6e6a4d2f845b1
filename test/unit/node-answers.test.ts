import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import type { Topology } from '../../src/domain/cluster.js';
import type { HealthAnswer } from '../../src/domain/health.js';
import type { RouteReading } from '../../src/domain/stores.js';
import { monotonic } from '../../src/runtime/clock.js';
import type { BouncerNews } from '../../src/supervise/bouncer-watch.js';
import { NodeAnswers } from '../../src/supervise/node-answers.js';
import type { ReplicaNews } from '../../src/supervise/replica-watch.js';
import type { RoleNews } from '../../src/supervise/role-watch.js';
import { healthyTopology, member } from '../fakes/manager.js';

const MEGABYTE = 1_048_576;

/** pg01 in a healthy cluster whose route leads to pg01. */
class Knowledge {
  news: RoleNews = { kind: 'answered', inRecovery: false, at: monotonic() };
  replicaNews: ReplicaNews = { kind: 'unknown', why: 'it was no standby a moment ago' };
  bouncerNews: BouncerNews = { kind: 'asked', problems: [] };
  published: RouteReading | undefined = leadsTo('10.77.0.11');
  localName: string | undefined = 'pg01';
  look: Topology | undefined = healthyTopology();
  lookAge = 0;
  isConfirmed = false;

  answers(): NodeAnswers {
    const lookUpTo = (age: number): Topology | undefined => (this.lookAge <= age ? this.look : undefined);
    return new NodeAnswers({
      role: { news: this.news },
      replica: { news: this.replicaNews },
      bouncers: { news: this.bouncerNews },
      publisher: {
        ...{ published: this.published, localName: this.localName, isConfirmed: this.isConfirmed },
        recentLook: lookUpTo,
      },
      addresses: { known: (name) => parseAddress(`10.77.0.1${name.slice(-1)}`) },
    });
  }

  /** A standby that keeps up. */
  become(name: string, lag: number | undefined = 0): void {
    this.localName = name;
    this.news = { kind: 'answered', inRecovery: true, at: monotonic() };
    this.replicaNews = { kind: 'known', replication: { receiving: true, lag }, at: monotonic() };
  }
}

function leadsTo(address: string): RouteReading {
  return { kind: 'route', route: { address: parseAddress(address), revision: 7n } };
}

function isNo(answer: HealthAnswer, why: RegExp): void {
  assert.equal(answer.ok, false, answer.text);
  assert.match(answer.text, why);
}

function isYes(answer: HealthAnswer, text: RegExp): void {
  assert.equal(answer.ok, true, answer.text);
  assert.match(answer.text, text);
}

describe('what a node answers a load balancer', () => {
  let known: Knowledge;
  beforeEach(() => (known = new Knowledge()));

  it('the published primary, out of recovery, named by a cluster manager with quorum, is the primary', () => {
    isYes(known.answers().primary(), /10\.77\.0\.11, published with revision 7/);
    isYes(known.answers().readOnly(MEGABYTE), /primary at/);
    isNo(known.answers().replica(MEGABYTE), /not in recovery/);
    isNo(known.answers().sync(MEGABYTE), /not in recovery/);
  });

  it('a deposed primary that still runs is none: the route leads elsewhere', () => {
    known.published = leadsTo('10.77.0.12');
    isNo(known.answers().primary(), /leads to 10\.77\.0\.12, not to 10\.77\.0\.11/);
    isNo(known.answers().readOnly(MEGABYTE), /leads to 10\.77\.0\.12.*no replica/);
  });

  it('a deposed primary that etcd cannot tell of it is none: the cluster manager names another', () => {
    known.look = { ...healthyTopology(), primary: { kind: 'one', name: 'pg02' } };
    isNo(known.answers().primary(), /cluster manager's primary is pg02/);
    known.look = { ...healthyTopology(), primary: { kind: 'several', names: ['pg01', 'pg02'] } };
    isNo(known.answers().primary(), /several primaries: pg01, pg02/);
  });

  it('a primary that was cut off is none, however well it runs', () => {
    known.look = { ...healthyTopology(), quorum: false };
    isNo(known.answers().primary(), /no quorum/);
    isNo(known.answers().ready(), /no quorum/);
  });

  it('a promotion that the cluster manager has not shown yet, but that is published, counts', () => {
    known.look = { ...healthyTopology(), primary: { kind: 'none', why: 'nobody is promoted' } };
    isYes(known.answers().primary(), /primary at/);
  });

  it('a promotion that the record confirms counts, also while the last look names the primary of before', () => {
    known.look = { ...healthyTopology(), primary: { kind: 'one', name: 'pg02' } };
    known.isConfirmed = true;
    isYes(known.answers().primary(), /primary at/);
    known.look = { ...known.look, quorum: false };
    isNo(known.answers().primary(), /no quorum/);
  });

  it('what is older than 2 s is not known any more', () => {
    known.lookAge = 2_001;
    isNo(known.answers().primary(), /cluster manager did not answer in the last 2s/);
    known.lookAge = 1_900;
    isYes(known.answers().primary(), /primary at/);
    known.news = { kind: 'answered', inRecovery: false, at: monotonic() - 2_100 };
    isNo(known.answers().primary(), /PostgreSQL last answered [\d.]+s ago/);
    known.become('pg02');
    known.replicaNews = { kind: 'known', replication: { receiving: true, lag: 0 }, at: monotonic() - 3_000 };
    isNo(known.answers().replica(MEGABYTE), /receives WAL was last heard [\d.]+s ago/);
  });

  it('what was never heard is not known', () => {
    known.news = { kind: 'never-asked' };
    isNo(known.answers().primary(), /was not asked yet/);
    known.news = { kind: 'silent', why: 'nothing listens there' };
    isNo(known.answers().primary(), /does not answer: nothing listens there/);
    isNo(known.answers().replica(MEGABYTE), /does not answer: nothing listens there/);
    known = new Knowledge();
    known.published = { kind: 'missing', revision: 0n };
    isNo(known.answers().primary(), /no route is published/);
    isNo(known.answers().ready(), /no primary is published/);
    known.published = undefined;
    isNo(known.answers().primary(), /no route is published/);
    isNo(known.answers().ready(), /etcd has not told/);
  });

  it('a standby that receives and keeps up is a replica, up to the lag that is asked for', () => {
    known.become('pg03', 2 * MEGABYTE);
    isYes(known.answers().replica(2 * MEGABYTE), /2097152 bytes behind/);
    isNo(known.answers().replica(MEGABYTE), /2097152 bytes behind, more than 1MB/);
    isYes(known.answers().readOnly(2 * MEGABYTE), /a standby/);
    isNo(known.answers().primary(), /in recovery/);
    isNo(known.answers().readOnly(MEGABYTE), /no primary: .*no replica: /);
  });

  it('a standby that receives nothing, or does not say how far it is, is no replica', () => {
    known.become('pg02');
    known.replicaNews = { kind: 'known', replication: { receiving: false, lag: 0 }, at: monotonic() };
    isNo(known.answers().replica(MEGABYTE), /receives no WAL/);
    known.become('pg02', undefined);
    known.replicaNews = { kind: 'known', replication: { receiving: true, lag: undefined }, at: monotonic() };
    isNo(known.answers().replica(MEGABYTE), /was not told yet how far it is behind/);
    known.replicaNews = { kind: 'unknown', why: 'GRANT pg_monitor TO postgres-user' };
    isNo(known.answers().replica(MEGABYTE), /not known: GRANT pg_monitor/);
  });

  it('only the synchronous standby is that, and only while it is a replica', () => {
    known.become('pg02');
    isYes(known.answers().sync(MEGABYTE), /the synchronous standby/);
    known.become('pg02', 2 * MEGABYTE);
    isNo(known.answers().sync(MEGABYTE), /more than 1MB/);
    known.become('pg03');
    isNo(known.answers().sync(MEGABYTE), /the cluster manager says potential/);
    known.become('pg04');
    known.look = { ...healthyTopology(), members: [member('pg01')] };
    isNo(known.answers().sync(MEGABYTE), /the cluster manager says unknown/);
  });

  it('is ready when it knows the primary and reaches the PgBouncers, whatever it is itself', () => {
    known.become('pg03');
    isYes(known.answers().ready(), /10\.77\.0\.11/);
    known.bouncerNews = { kind: 'asked', problems: ['PgBouncer at /run/a: nothing listens there'] };
    isNo(known.answers().ready(), /nothing listens there/);
    known.bouncerNews = { kind: 'unknown' };
    isNo(known.answers().ready(), /not asked yet/);
  });
});
