import type { HistoryListing, HistoryStore } from '../../src/domain/stores.js';
import type { SwitchoverReport } from '../../src/domain/switchover.js';

/** A report, for tests to change parts of. */
export function reportOf(id: string, parts: Partial<SwitchoverReport> = {}): SwitchoverReport {
  return {
    id,
    host: 'client01',
    pid: 77,
    startedAt: '2026-01-01T00:00:00.000Z',
    elapsed: 3_000,
    outcome: 'done',
    status: 0,
    message: 'pg02 is the primary',
    from: { name: 'pg01', address: '10.77.0.11' },
    to: { name: 'pg02', address: '10.77.0.12' },
    steps: [
      { name: 'check', ms: 80, error: '' },
      { name: 'migrate', ms: 2_600, error: '' },
      { name: 'release', ms: 70, error: '' },
    ],
    findings: [],
    forced: false,
    pause: 2_700,
    longestWait: undefined,
    ...parts,
  };
}

/** The history in memory. */
export class FakeHistory implements HistoryStore {
  reports: readonly SwitchoverReport[] = [];
  problems: readonly string[] = [];
  /** Set to make everything fail. */
  failure: Error | undefined;

  add(report: SwitchoverReport): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.reports = [report, ...this.reports].slice(0, 100);
    return Promise.resolve();
  }

  list(): Promise<HistoryListing> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve({ reports: this.reports, problems: this.problems });
  }
}
