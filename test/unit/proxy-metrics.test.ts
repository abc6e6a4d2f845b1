import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HoldState } from '../../src/domain/hold.js';
import { proxyMetrics } from '../../src/proxy/metrics.js';
import { Latest } from '../../src/runtime/latest.js';
import { Tally } from '../../src/runtime/tally.js';

describe('the metrics of a hold', () => {
  const state = new Latest<HoldState>({ kind: 'none' });
  const counts = new Tally(['route', 'recovered', 'over']);
  // Those of the proxy itself are not read here.
  const metrics = proxyMetrics({ proxy: {} as never, hold: { state, counts }, outputs: [] });
  const valueOf = (name: string): number | undefined =>
    metrics.find((metric) => metric.name === name)?.read()[0]?.value;

  for (const [kind, active, over] of [
    ['none', 0, 0],
    ['held', 1, 0],
    ['over', 0, 1],
  ] as const) {
    it(`${kind}: pgcm_hold_active is ${active}, pgcm_hold_over ${over}`, () => {
      state.set(kind === 'none' ? { kind } : { kind, since: performance.now() - 2_000, why: 'refused' });
      assert.deepEqual([valueOf('pgcm_hold_active'), valueOf('pgcm_hold_over')], [active, over]);
      const age = valueOf('pgcm_hold_age_seconds');
      assert.ok(kind === 'none' ? age === undefined : age !== undefined && age >= 2, String(age));
    });
  }

  it('counts holds by how they ended', () => {
    counts.add('over');
    const samples = metrics.find(({ name }) => name === 'pgcm_holds_total')?.read();
    assert.deepEqual(
      samples?.map(({ labels, value }) => [labels?.['outcome'], value]),
      [
        ['route', 0],
        ['recovered', 0],
        ['over', 1],
      ],
    );
  });
});
