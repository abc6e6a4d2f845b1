import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import type { SwitchoverContext } from '../../src/failover/context.js';
import type { Step } from '../../src/failover/pipeline.js';
import { heldSteps, type HoldPoint } from '../faults/hold.js';
import { eventually, stays } from '../support/eventually.js';

const folder = mkdtempSync(join(tmpdir(), 'pgcm-hold-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'hold');

describe('a step that is held', () => {
  let done: string[] = [];
  let held = 0;
  const context = {
    apis: [
      {
        migrate: () => {
          done.push('asked');
          return Promise.resolve('target');
        },
      },
    ],
  } as unknown as SwitchoverContext;
  const migrate: Step<SwitchoverContext> = {
    name: 'migrate',
    run: async ({ apis }) => {
      const target: unknown = await (apis[0] as unknown as { migrate: () => Promise<unknown> }).migrate();
      done.push(`answer ${String(target)}`);
    },
  };
  const other: Step<SwitchoverContext> = { name: 'other', run: () => Promise.resolve() };
  const run = async (point: HoldPoint, signal = new AbortController().signal): Promise<void> => {
    const steps = heldSteps([other, migrate], { step: 'migrate', point, file, tell: () => (held += 1) });
    for (const step of steps) await step.run(context, signal);
    done.push('over');
  };
  beforeEach(() => {
    done = [];
    held = 0;
    writeFileSync(file, '');
  });

  const before: Readonly<Record<HoldPoint, readonly string[]>> = {
    begin: [],
    answer: ['asked'],
    end: ['asked', 'answer target'],
  };
  for (const point of ['begin', 'answer', 'end'] as const) {
    it(`waits at its ${point} while the file is there, and then goes on`, async () => {
      const ended = run(point);
      await eventually(() => held === 1);
      await stays(() => done.join() === before[point].join(), 100);
      rmSync(file);
      await ended;
      assert.deepEqual(done, ['asked', 'answer target', 'over']);
    });
  }

  it('is let go by its signal, as a step that heeds it would be', async () => {
    const stop = new AbortController();
    const ended = run('begin', stop.signal);
    await eventually(() => held === 1);
    stop.abort();
    await ended;
    assert.ok(existsSync(file));
  });

  it('must be one of the steps', () => {
    const hold = { step: 'nothing', point: 'begin', file, tell: () => undefined } as const;
    assert.throws(() => heldSteps([migrate], hold), /no step 'nothing'/);
  });
});
