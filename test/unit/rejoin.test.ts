import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { hasCode, PgcmError } from '../../src/domain/errors.js';
import type { PostgresInspection } from '../../src/domain/inspection.js';
import type { ControlFile } from '../../src/domain/postgres.js';
import { doubt, type Evidence } from '../../src/supervise/divergence.js';
import { Rejoin } from '../../src/supervise/rejoin.js';
import { FakeLog } from '../fakes/log.js';
import { FakeManager } from '../fakes/manager.js';
import { inspection } from '../fakes/node.js';

/** An old primary of timeline 3 that stopped in order, and a primary that left that timeline behind it. */
function proven(control: Partial<ControlFile> = {}): Evidence {
  return {
    control: {
      systemIdentifier: '7000000000000000001',
      state: 'shut down',
      timeline: 3,
      checkpoint: 0x5000028n,
      ...control,
    },
    ownHistory: [
      { timeline: 1, position: 0x3000000n },
      { timeline: 2, position: 0x4000000n },
    ],
    primary: {
      systemIdentifier: '7000000000000000001',
      timeline: 4,
      history: [
        { timeline: 1, position: 0x3000000n },
        { timeline: 2, position: 0x4000000n },
        { timeline: 3, position: 0x50000a0n },
      ],
    },
  };
}

describe('whether an old primary diverged', () => {
  it('it did not when its last record is in the past of the primary, also of a later one', () => {
    assert.equal(doubt(proven()), undefined);
    const { primary, ...rest } = proven();
    const later = {
      ...primary,
      timeline: 5,
      history: [...primary.history, { timeline: 4, position: 0x9000000n }],
    };
    assert.equal(doubt({ ...rest, primary: later }), undefined);
  });

  it('it did not either on the first timeline, which has no history file', () => {
    const { primary } = proven();
    assert.equal(
      doubt({
        control: proven({ timeline: 1 }).control,
        ownHistory: undefined,
        primary: { ...primary, timeline: 2, history: [{ timeline: 1, position: 0x50000a0n }] },
      }),
      undefined,
    );
  });

  const { primary, control, ownHistory } = proven();
  const doubts: readonly [string, Evidence, RegExp, 'rewind' | 'copy'][] = [
    ['another cluster', proven({ systemIdentifier: '42' }), /two different clusters/, 'copy'],
    ['a crash', proven({ state: 'in production' }), /did not stop in order/, 'rewind'],
    ['a standby that was stopped', proven({ state: 'shut down in recovery' }), /did not stop/, 'rewind'],
    ['a record that the primary never had', proven({ checkpoint: 0x50000a0n }), /never had/, 'rewind'],
    ['WAL far beyond', proven({ checkpoint: 0x1_0000_0000n }), /1\/0/, 'rewind'],
    ['a timeline that is not in its past', proven({ timeline: 9 }), /not among those/, 'copy'],
    [
      'a timeline of the same number as the primary has now',
      { control, ownHistory, primary: { ...primary, timeline: 3, history: primary.history.slice(0, 2) } },
      /not among those/,
      'copy',
    ],
    [
      'a timeline of the same number that began elsewhere',
      {
        control,
        primary,
        ownHistory: [
          { timeline: 1, position: 0x3000000n },
          { timeline: 2, position: 0x4000060n },
        ],
      },
      /began elsewhere/,
      'copy',
    ],
    ['a history that is missing', { control, primary, ownHistory: undefined }, /is missing/, 'copy'],
  ];
  for (const [what, evidence, why, remedy] of doubts) {
    it(`it may have: ${what}`, () => {
      const found = doubt(evidence);
      assert.match(found?.why ?? '', why);
      assert.equal(found?.remedy, remedy);
    });
  }
});

describe('rejoin', () => {
  type State = 'down' | 'standby' | 'streaming' | 'primary';
  const never = new AbortController().signal;
  const order = { primary: { name: 'pg02', address: parseAddress('10.77.0.12') }, timeout: 2_000 };
  let state: State;
  let evidence: () => Promise<Evidence>;
  let manager: FakeManager;
  let passed: number;
  let dataDirectory: string;
  let rejoin: Rejoin;

  beforeEach(() => {
    state = 'down';
    evidence = () => Promise.resolve(proven());
    manager = new FakeManager();
    passed = 0;
    dataDirectory = '/data';
    const inspect = (): Promise<PostgresInspection> => {
      const { postgres } = inspection();
      if (state === 'down' || postgres === undefined) {
        return Promise.reject(new PgcmError('unavailable', 'PostgreSQL does not run'));
      }
      return Promise.resolve({
        ...postgres,
        inRecovery: state !== 'primary',
        receiving: state === 'streaming',
      });
    };
    rejoin = new Rejoin({
      postgres: { inspect },
      manager,
      localName: () => manager.localName(),
      dataDirectory: () => Promise.resolve(dataDirectory),
      evidence: () => evidence(),
      log: new FakeLog(),
      interval: 5,
    });
  });

  const pass = (): Promise<void> => Promise.resolve(void (passed += 1));
  const readmitting = (then: State): void => {
    manager.readmit = () => {
      manager.readmitted += 1;
      state = then;
      return Promise.resolve();
    };
  };

  it('does nothing when it streams already', async () => {
    state = 'streaming';
    assert.deepEqual(await rejoin.run(order, pass, never), { kind: 'streaming', already: true });
    assert.equal(manager.readmitted, 0);
  });

  it('readmits what is proven, once, under the lock, and waits until it streams', async () => {
    readmitting('standby');
    setTimeout(() => (state = 'streaming'), 100);
    assert.deepEqual(await rejoin.run(order, pass, never), { kind: 'streaming', already: false });
    assert.equal(manager.readmitted, 1);
    assert.equal(passed, 2, 'at the start, and before the act');
  });

  it('refuses what is not proven, with the commands, and readmits nothing', async () => {
    evidence = () => Promise.resolve(proven({ checkpoint: 0x6000000n }));
    const outcome = await rejoin.run(order, pass, never);
    assert.ok(outcome.kind === 'refused');
    assert.match(outcome.commands.join('\n'), /pg_rewind .*\/data.*\n.*readmit pg01/);
    state = 'primary';
    assert.equal((await rejoin.run(order, pass, never)).kind, 'refused');
    assert.equal(manager.readmitted, 0);
  });

  it('tells how to copy it anew: as which user, and with a name of its own for what is set aside', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgcm-rejoin-'));
    try {
      dataDirectory = join(folder, "main it's");
      await mkdir(dataDirectory);
      // Of an earlier time.
      await mkdir(`${dataDirectory}.diverged`);
      evidence = () => Promise.resolve(proven({ timeline: 9 }));
      const outcome = await rejoin.run(order, pass, never);
      assert.ok(outcome.kind === 'refused');
      const [aside = '', copy = ''] = outcome.commands;
      assert.match(copy, /pg_basebackup .* -h 10\.77\.0\.12 -U REPLICATION_USER -D '/);
      execFileSync('sh', ['-ec', aside]);
      assert.deepEqual(await readdir(`${dataDirectory}.diverged`), []);
      const left = await readdir(folder);
      assert.equal(left.length, 2, left.join());
      assert.ok(
        left.some((name) => /^main it's\.diverged-\d{8}-\d{6}$/.test(name)),
        left.join(),
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('waits for a PostgreSQL that is still stopping, and for a history that cannot be read yet', async () => {
    readmitting('streaming');
    evidence = () => Promise.resolve(proven({ state: 'shutting down' }));
    setTimeout(() => (evidence = () => Promise.reject(new PgcmError('unavailable', 'pg02'))), 50);
    setTimeout(() => (evidence = () => Promise.resolve(proven())), 100);
    assert.equal((await rejoin.run(order, pass, never)).kind, 'streaming');
    assert.equal(manager.readmitted, 1);
  });

  it('refuses at once what waiting does not prove', async () => {
    evidence = () => Promise.reject(new PgcmError('refused', 'permission denied for pg_read_file'));
    const outcome = await rejoin.run({ ...order, timeout: 600_000 }, pass, never);
    assert.ok(outcome.kind === 'refused' && /permission denied/.test(outcome.why));
    assert.equal(manager.readmitted, 0);
  });

  it('asks again when the cluster manager was too busy to answer, and under the lock each time', async () => {
    readmitting('streaming');
    const readmit = manager.readmit.bind(manager);
    let refusals = 2;
    manager.readmit = () => {
      refusals -= 1;
      return refusals >= 0
        ? Promise.reject(new PgcmError('timed-out', 'crmadmin did not end within 500ms'))
        : readmit();
    };
    assert.deepEqual(await rejoin.run(order, pass, never), { kind: 'streaming', already: false });
    assert.equal(passed, 4, 'at the start, and before each act');
    manager.readmit = () => Promise.reject(new PgcmError('refused', 'it is not stopped'));
    state = 'down';
    await assert.rejects(rejoin.run(order, pass, never), (error) => hasCode(error, 'refused'));
  });

  it('does nothing for a run that has lost its lock', async () => {
    const lost = (): Promise<void> => Promise.reject(new PgcmError('lock-lost', 'somebody else'));
    await assert.rejects(rejoin.run(order, lost, never), (error) => hasCode(error, 'lock-lost'));
    assert.equal(manager.readmitted, 0);
    state = 'streaming';
    await assert.rejects(rejoin.run(order, lost, never), (error) => hasCode(error, 'lock-lost'));
  });

  it('says what it saw last when it takes too long', async () => {
    await assert.rejects(
      rejoin.run({ ...order, timeout: 50 }, pass, never),
      (error) =>
        hasCode(error, 'timed-out') && /was asked to start it.*PostgreSQL does not run/.test(error.message),
    );
  });
});
