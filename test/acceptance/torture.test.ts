import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultKinds } from '../torture/kinds.js';
import type { TortureOptions } from '../torture/options.js';
import { torture } from '../torture/run.js';
import { Cluster } from './cluster.js';

// A slice of `npm run torture`. Only longer runs have every kind of fault.

const options: TortureOptions = {
  ...{ minutes: 3, seed: 20, fencing: true, agent: 'pgcm', opener: undefined, plant: undefined, keep: false },
  ...{ out: join(tmpdir(), 'pgcm-torture'), name: 't-torture' },
};

test('three minutes of random faults lose no acknowledged row', async () => {
  const cluster = await Cluster.up(options.name, { agent: 'pgcm', disks: 'losing' });
  try {
    const lines: string[] = [];
    const { signal } = new AbortController();
    const { violations, figures, folder } = await torture(
      cluster,
      options,
      (line) => lines.push(line),
      signal,
    );
    assert.deepEqual(violations, [], `${violations.join('\n')}\n\n${lines.join('\n')}`);
    assert.ok(Number(figures['faults']) >= 6 * options.minutes, JSON.stringify(figures));
    assert.ok(Number(figures['kinds']) > faultKinds.length / 2, JSON.stringify(figures));
    assert.ok(Number(figures['acknowledged']) > 1_000, JSON.stringify(figures));
    // Of a run that failed the evidence stays.
    rmSync(folder, { recursive: true });
  } finally {
    await cluster.down();
  }
});
