import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { viewOf } from '../../src/supervise/topology-view.js';
import { healthyTopology } from '../fakes/manager.js';

const MB = 1_048_576;

function publishedLag(lag: number): number | undefined {
  const view = viewOf({
    systemIdentifier: '7',
    timeline: 1,
    topology: healthyTopology(),
    primary: 'pg01',
    addressOf: () => undefined,
    senders: [
      { name: 'pg02', address: undefined, state: 'streaming', syncState: 'sync', lag, stale: undefined },
    ],
    previous: undefined,
    now: '2026-01-01T00:00:00Z',
  });
  return view.members.find(({ name }) => name === 'pg02')?.lag;
}

describe('the published lag of a standby', () => {
  for (const [lag, published] of [
    [0, 0],
    [MB - 1, 0],
    [MB, MB],
    [MB + 1, 2 * MB],
    [16 * MB, 16 * MB],
    [16 * MB + 1, 32 * MB],
    [22 * MB, 32 * MB],
    [1_024 ** 4, 1_024 ** 4],
  ] as const) {
    it(`${lag} bytes are published as ${published}, never as less from 1 MB on`, () => {
      assert.equal(publishedLag(lag), published);
    });
  }
});
