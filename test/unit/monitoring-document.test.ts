import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { allMetrics, withMetricsTable } from '../../src/cli/metrics-table.js';
import { packageFile } from '../../src/runtime/package-root.js';

const document = readFileSync(packageFile('docs/monitoring.md'), 'utf8');

describe('the documentation of the metrics', () => {
  it('has every metric as it is declared', () => {
    assert.ok(document === withMetricsTable(document), 'run `node scripts/update-docs.mjs` after a build');
    assert.ok(allMetrics().length > 25);
  });

  it('names no metric that does not exist, neither in the text nor in an alert', () => {
    const known = new Set(allMetrics().map(({ metric }) => metric.name));
    const named = document.match(/\bpgcm_[a-z_]+/g) ?? [];
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
    );
  });

  it('follows the customs of Prometheus', () => {
    for (const { metric } of allMetrics()) {
      const { name, type, help, labels } = metric;
      assert.match(name, /^pgcm_[a-z][a-z_]*[a-z]$/);
      assert.equal(name.endsWith('_total'), type === 'counter', name);
      assert.match(help, /^\S.*\.$/, name);
      assert.doesNotMatch(name, /_(ms|mb|milliseconds)\b/);
      for (const label of labels) assert.match(label, /^[a-z]+$/);
    }
  });

  it('has all its marks', () => {
    assert.throws(() => withMetricsTable('# x'), /metrics:start/);
  });
});
