import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chart } from '../../bench/chart.js';
import { machineClock, onMachineClock } from '../../bench/clock.js';
import { readLogLine } from '../../bench/failover-command.js';
import { parseStat, usageOf, type ProcessStat } from '../../bench/process-tree.js';
import { clientsOf } from '../../bench/switch.js';
import { toLogfmt } from '../../src/telemetry/logfmt.js';

const record = {
  ts: '2026-01-02T03:04:05.678Z',
  event: 'clients.pacemaker.migrate',
  target: 'pg02',
  msg: 'waiting for "etcd": step=none',
};

test('a log line is read in both of its formats, and quoted text does not look like a field', () => {
  for (const text of [JSON.stringify(record), toLogfmt(record)]) {
    const { fields, ...line } = readLogLine(text) ?? assert.fail(text);
    assert.deepEqual(line, {
      text,
      ts: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
      event: 'clients.pacemaker.migrate',
    });
    assert.equal(fields['target'], 'pg02');
    assert.equal(fields['step'], undefined);
  }
});

test('what is no log line of ours is left out', () => {
  for (const text of [
    '',
    'Killed',
    '{broken',
    '{"ts":"soon","event":"x"}',
    '{"ts":"2026-01-01T00:00:00Z"}',
  ]) {
    assert.equal(readLogLine(text), undefined, text);
  }
});

test("a wall clock's date is carried over to the machine's clock", () => {
  const before = machineClock();
  const at = onMachineClock(Date.now());
  // Dates are whole milliseconds.
  assert.ok(at > before - 2 && at <= machineClock(), `${before} ${at}`);
});

test('the line of /proc/PID/stat is read, whatever the name of the command', () => {
  const fields = Array.from({ length: 49 }, (_, index) => index + 4);
  assert.deepEqual(parseStat(`77 (a) S (b) S ${fields.join(' ')}\n`), {
    pid: 77,
    parent: 4,
    own: 14 + 15,
    reaped: 16 + 17,
    resident: 24,
  });
  assert.equal(parseStat('77 (cut off'), undefined);
  const own = parseStat(readFileSync('/proc/self/stat', 'utf8'));
  assert.equal(own?.pid, process.pid);
  assert.equal(own.parent, process.ppid);
});

test('the usage of a daemon counts its children, the living and the reaped, and nobody else', () => {
  const stat = (pid: number, parent: number, own: number, reaped = 0): ProcessStat => ({
    pid,
    parent,
    own,
    reaped,
    resident: 1_000,
  });
  const stats = [
    stat(1, 0, 5_000),
    stat(10, 1, 100, 40),
    stat(11, 10, 10),
    stat(12, 11, 5),
    stat(20, 1, 900),
  ];
  assert.deepEqual(usageOf(10, stats), { cpuSeconds: 1.55, rssMb: (3_000 * 4_096) / 1e6 });
  assert.equal(usageOf(99, stats), undefined);
});

test('clients are numbered over all targets in their order', () => {
  const target = (name: string, clients: number) => ({ name, host: name, port: 1, clients });
  const targets = [target('pg01', 2), target('pg02', 1), target('app01', 2)];
  assert.deepEqual(
    clientsOf(targets, ({ name }) => name.startsWith('pg')),
    [0, 1, 2],
  );
  assert.deepEqual(
    clientsOf(targets, ({ name }) => name === 'app01'),
    [3, 4],
  );
});

test('the chart has a line for each 100 ms, with what happened then', () => {
  const lines = chart([{ title: 'nodes', times: [1_000, 1_010, 1_250] }], { from: 1_000, to: 1_300 }, [
    { at: 1_000, text: 'starts' },
    { at: 1_150, text: 'pause' },
  ]);
  assert.equal(lines.length, 4);
  assert.match(lines[1] ?? '', /^\s+0\.0 {5}2 █+ +starts$/);
  assert.match(lines[2] ?? '', /^\s+0\.1 {5}0 +pause$/);
  assert.match(lines[3] ?? '', /^\s+0\.2 {5}1 █+$/);
});
