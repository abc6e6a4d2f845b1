import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milestonesOf, story, stretches, summariseStretches } from '../../bench/breakdown.js';
import { onMachineClock } from '../../bench/clock.js';
import { moveIssuedAt, type DaemonLine } from '../../bench/daemon-logs.js';
import type { LogLine } from '../../bench/failover-command.js';
import { addCounts, readProgress } from '../../bench/pgbench.js';
import { complaintsIn } from '../../bench/proxies.js';
import type { Ack } from '../../bench/records.js';
import type { SwitchResult } from '../../bench/switch.js';

/** The instant of all times below, as a date and on the machine's clock. */
const date = Date.now();
const zero = onMachineClock(date);

function line(at: number, event: string, fields: Record<string, unknown> = {}): LogLine {
  return { text: event, ts: date + at, event, fields };
}

function daemon(host: string, name: 'supervise' | 'proxy', entry: LogLine): DaemonLine {
  return { ...entry, host, daemon: name, at: zero + entry.ts - date };
}

function ack(at: number): Ack {
  return { kind: 'ack', client: 0, id: at, sent: zero + at - 1, done: zero + at };
}

const host = (name: string, address: string) =>
  ({ name, kind: 'postgres', address }) as unknown as SwitchResult['before']['sync'];

const daemons = [
  daemon('pg01', 'supervise', line(40, 'clients.pacemaker.migrate', { target: 'pg02' })),
  daemon('pg03', 'proxy', line(1_020, 'route.applied', { host: '10.0.0.1' })),
  daemon('pg02', 'supervise', line(1_030, 'etcd.update', { addr: '10.0.0.2' })),
  daemon('pg03', 'proxy', line(1_040, 'route.applied', { host: '10.0.0.2' })),
  daemon('app01', 'proxy', line(1_050, 'route.applied', { host: '10.0.0.2' })),
  daemon('pg03', 'proxy', line(1_070, 'pgbouncer.resumed', { outcome: 'resumed' })),
  daemon('app01', 'proxy', line(1_075, 'pgbouncer.resumed', { outcome: 'resumed' })),
];

const result: SwitchResult = {
  before: { primary: host('pg01', '10.0.0.1'), sync: host('pg02', '10.0.0.2'), timeline: 1 },
  primaries: ['pg02'],
  command: {
    node: 'pg03',
    status: 0,
    started: zero - 500,
    ended: zero + 2_000,
    lines: [
      line(5, 'step.start', { step: 'pause' }),
      line(30, 'step.end', { step: 'pause' }),
      line(1_060, 'step.start', { step: 'release' }),
    ],
  },
  targets: [],
  window: { from: zero - 600, to: zero + 1_500 },
  acks: [-400, -200, 0, 1_090, 1_100, 1_300].map(ack),
  failures: [],
  present: new Set(),
  daemons,
  moveIssued: zero + 40,
  writable: zero + 1_000,
  longestProbeGap: 5,
};

/** In steps of 5 ms: dates are whole milliseconds, so what is carried over from them differs by one. */
const near = (value: number | undefined): number => Math.round(((value ?? Number.NaN) - zero) / 5) * 5;

test('the moments on the way of a waiting client are found in the logs', () => {
  const found = Object.entries(milestonesOf(result)).map(([name, at]) => [name, near(at as number)]);
  assert.deepEqual(Object.fromEntries(found), {
    started: -500,
    stalled: 0,
    paused: 30,
    moveIssued: 40,
    writable: 1_000,
    published: 1_030,
    applied: 1_050,
    released: 1_060,
    resumed: 1_070,
    allResumed: 1_075,
    written: 1_090,
  });
});

test('the stretches add up to the time from the start to the first write, with and without a moment that no log tells of', () => {
  for (const one of [result, { ...result, daemons: [] }]) {
    const sum = [...stretches(milestonesOf(one)).values()].reduce((all, value) => all + value, 0);
    assert.ok(Math.abs(sum - 1_590) < 3, String(sum));
  }
  assert.ok(stretches(milestonesOf({ ...result, daemons: [] })).has('writable_to_released'));
});

test('the spread of each stretch bears the names of its ends', () => {
  const one = { started: 0, stalled: 10, moveIssued: 20, written: 60 };
  const summary = summariseStretches([one, { ...one, moveIssued: 40 }]);
  assert.deepEqual(summary, {
    started_to_stalled_ms: { min: 10, median: 10, max: 10 },
    stalled_to_move_issued_ms: { min: 10, median: 20, max: 30 },
    move_issued_to_written_ms: { min: 20, median: 30, max: 40 },
  });
});

test('the story tells of command and daemons in the order of their times', () => {
  const lines = story(result);
  const order = [
    'failover: step.start step=pause',
    'pg01 supervise: clients',
    '== writable',
    'app01 proxy: route',
  ];
  const found = order.map((text) => lines.findIndex((one) => one.includes(text)));
  assert.ok(
    found.every((index, position) => index > (found[position - 1] ?? -1)),
    lines.join('\n'),
  );
});

test('the move was asked for when the supervise that asked says so', () => {
  assert.equal(near(moveIssuedAt(daemons, 'pg02')), 40);
  assert.equal(moveIssuedAt(daemons, 'pg03'), undefined);
});

test('the transactions of pgbench are in its lines of progress', () => {
  assert.equal(
    readProgress('progress: 3.0 s, 199.9 tps, lat 2.5 ms stddev 0.8, 0 failed, lag 0.3 ms'),
    199.9,
  );
  assert.equal(readProgress('pgbench: error: client 3 aborted in command 4'), undefined);
  const counts = [
    { transactions: 2, errors: 0 },
    { transactions: 3, errors: 1 },
  ];
  assert.deepEqual(addCounts(counts), { transactions: 5, errors: 1 });
});

test('what many proxies complain of is told once', () => {
  const complaint = (proxy: string, error: string) =>
    ({
      kind: 'complaint',
      at: 1,
      proxy,
      text: `{"level":"warn","ts":"${proxy}","error":"${error} ${proxy}"}`,
    }) as const;
  const records = [complaint('sim001', 'late'), complaint('sim002', 'away'), complaint('sim003', 'late')];
  assert.deepEqual(complaintsIn([...records, { kind: 'ended', at: 2, rssMb: 50 }]), [
    '2 x {"level":"warn","error":"late PROXY"}',
    '1 x {"level":"warn","error":"away PROXY"}',
  ]);
});
