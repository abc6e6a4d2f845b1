import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { HistoryStore } from '../../src/domain/stores.js';
import { reportOf } from '../fakes/history.js';

const forever = new AbortController().signal;

/** What every HistoryStore does. `make` starts with an empty one. */
export function historyContract(make: () => Promise<HistoryStore>): void {
  it('has no reports at first', async () => {
    const history = await make();
    assert.deepEqual(await history.list(forever), { reports: [], problems: [] });
  });

  it('lists reports newest first, whatever their clocks said, and keeps the newest 100', async () => {
    const history = await make();
    // The wall clock goes backwards from one to the next.
    const dateOf = (i: number): string => new Date(Date.UTC(2026, 0, 1) - i * 60_000).toISOString();
    for (let i = 0; i < 103; i += 1) {
      await history.add(reportOf(`S${i}`, { startedAt: dateOf(i) }), forever);
    }
    const { reports, problems } = await history.list(forever);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      reports.map(({ id }) => id),
      Array.from({ length: 100 }, (_, i) => `S${102 - i}`),
    );
    assert.deepEqual(reports[0], reportOf('S102', { startedAt: dateOf(102) }));
  });
}
