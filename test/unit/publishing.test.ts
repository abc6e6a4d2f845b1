import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusalToPublish } from '../../src/domain/publishing.js';
import type { PublishedTopology } from '../../src/domain/switchover.js';
import { topologyOf } from '../fakes/topologies.js';

const lost = (name: string): PublishedTopology['primary'] => ({
  state: 'lost',
  name,
  since: '2026-01-01T00:00:00Z',
});
const published = topologyOf('pg01', { systemIdentifier: '900', timeline: 3 });
const next = (primary: string, parts: Partial<PublishedTopology>): PublishedTopology =>
  topologyOf(primary, { systemIdentifier: '900', timeline: 3, ...parts });

describe('what may be published over a topology', () => {
  for (const [what, view, over, why] of [
    ['anything over none', next('pg01', { timeline: 1 }), undefined, undefined],
    ['the same again', published, published, undefined],
    ['a later timeline of another member', next('pg02', { timeline: 4 }), published, undefined],
    ['an earlier timeline', next('pg01', { timeline: 2 }), published, /^timeline 3 is published/],
    ['the same timeline of another, while it is up', next('pg02', {}), published, /^pg01 is published as/],
    ['the same when that is lost', next('pg02', {}), next('pg01', { primary: lost('pg01') }), undefined],
    ['that it is lost, by anybody', next('pg01', { primary: lost('pg01') }), published, undefined],
    ['a newer cluster', next('pg02', { systemIdentifier: '1000', timeline: 1 }), published, undefined],
    ['an older cluster', next('pg02', { systemIdentifier: '99', timeline: 9 }), published, /newer cluster/],
  ] as const) {
    it(`${why === undefined ? 'is' : 'is not'} ${what}`, () => {
      const refusal = refusalToPublish(view, over);
      if (why === undefined) assert.equal(refusal, undefined);
      else assert.match(refusal ?? '', why);
    });
  }
});
