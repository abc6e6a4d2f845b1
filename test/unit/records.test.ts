import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeError, hasCode } from '../../src/domain/errors.js';
import type {
  PauseRequest,
  ProxyState,
  PublishedTopology,
  SwitchoverReport,
} from '../../src/domain/switchover.js';
import { lockHolder } from '../../src/records/lock-holder.js';
import { nodeState } from '../../src/records/node-state.js';
import { pauseRequest } from '../../src/records/pause-request.js';
import { proxyState } from '../../src/records/proxy-state.js';
import type { JsonRecord } from '../../src/records/record.js';
import { seenProxy } from '../../src/records/seen-proxy.js';
import { switchoverReport } from '../../src/records/switchover-report.js';
import { topology } from '../../src/records/topology.js';

const request: PauseRequest = {
  id: '5f0c',
  phase: 'release',
  release: 9_007_199_254_740_993n,
  duration: 25_000,
  timeout: 5_000,
};

const proxy: ProxyState = {
  id: 'app01',
  host: 'app01.example',
  instance: 'a1b2',
  version: '0.1.0',
  route: { address: '10.77.0.11', revision: 42n, appliedAt: '2026-01-01T00:00:00.000Z' },
  pause: { kind: 'paused', request: '5f0c' },
  hold: { kind: 'held', why: 'it is silent' },
  clientsWaiting: 3,
  longestWait: 12.5,
  bouncers: [
    { name: '/run:6432', error: '', sessionPooled: ['reports'], queryWaitTimeout: 120_000 },
    { name: '/run:6433', error: 'refused', sessionPooled: [], queryWaitTimeout: undefined },
  ],
  error: '',
};

const view: PublishedTopology = {
  systemIdentifier: '7318294650912345678',
  timeline: 4,
  members: [
    { name: 'pg01', address: '10.77.0.11', role: 'primary', syncState: 'unknown', lag: undefined, up: true },
    { name: 'pg02', address: '10.77.0.12', role: 'standby', syncState: 'sync', lag: 0, up: true },
  ],
  primary: { state: 'up', name: 'pg01', since: '2026-01-01T00:00:00Z' },
};

const report: SwitchoverReport = {
  id: '5f0c',
  host: 'app01',
  pid: 77,
  startedAt: '2026-01-01T00:00:00.000Z',
  elapsed: 3_100.25,
  outcome: 'done',
  status: 0,
  message: 'pg02 is the primary',
  from: { name: 'pg01', address: '10.77.0.11' },
  to: undefined,
  steps: [{ name: 'check', ms: 80, error: '' }],
  findings: [{ weight: 'overridable', kind: 'no-history', subject: '', text: 'none yet', wayOut: '--force' }],
  forced: true,
  pause: 2_700,
  longestWait: undefined,
};

const there = <T>(record: JsonRecord<T>, value: T): T =>
  record.parse(Buffer.from(record.serialise(value)), '/key');

function refusal(record: JsonRecord<never>, json: unknown): string {
  try {
    record.parse(Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)), '/key');
  } catch (error) {
    assert.ok(hasCode(error, 'invalid-answer'), describeError(error));
    return error.message;
  }
  return assert.fail('it was taken');
}

describe('records', () => {
  it('come back as they were written', () => {
    assert.deepEqual(there(pauseRequest, request), request);
    assert.deepEqual(there(proxyState, proxy), proxy);
    assert.deepEqual(there(topology, view), view);
    assert.deepEqual(there(switchoverReport, report), report);
    const older = JSON.parse(switchoverReport.serialise(report)) as Record<string, unknown>;
    delete older['forced'];
    const read = switchoverReport.parse(Buffer.from(JSON.stringify(older)), '/key');
    assert.deepEqual(read, { ...report, forced: false });
    const holder = { id: 'S1', host: 'pg01', pid: 42, since: '2025-01-01T00:00:00Z' };
    assert.deepEqual(there(lockHolder, holder), holder);
    const seen = { id: 'app01', host: 'app01', since: '2025-01-01T00:00:00Z' };
    assert.deepEqual(there(seenProxy, seen), seen);
    const node = { name: 'pg01', api: 'pg01:8080', version: '0.1.0', since: '2025-01-01T00:00:00Z' };
    assert.deepEqual(there(nodeState, node), node);
  });

  it('hold revisions as text, which no reader of JSON rounds', () => {
    assert.deepEqual(JSON.parse(pauseRequest.serialise(request)), {
      id: '5f0c',
      phase: 'release',
      release: '9007199254740993',
      duration_ms: 25_000,
      timeout_ms: 5_000,
    });
    assert.deepEqual(JSON.parse(pauseRequest.serialise({ ...request, phase: 'abort', release: undefined })), {
      id: '5f0c',
      phase: 'abort',
      duration_ms: 25_000,
      timeout_ms: 5_000,
    });
  });

  it('ignore keys of a newer version', () => {
    const json: unknown = { ...JSON.parse(pauseRequest.serialise(request)), colour: 'red' };
    assert.deepEqual(pauseRequest.parse(Buffer.from(JSON.stringify(json)), '/key'), request);
  });

  it('make free text, lists and spans fit when they are written, and again when they are read', () => {
    const error = `line\r\n\u001b[2Jtwo\u2028 ${'x'.repeat(10_000)}`;
    const written = there(proxyState, { ...proxy, error, longestWait: -0.000_01 });
    assert.match(written.error, /^line \[2Jtwo x+\.\.\.$/);
    assert.equal(written.error.length, 2_000);
    assert.equal(written.longestWait, 0);
    const raw = JSON.parse(proxyState.serialise(proxy)) as object;
    const read = proxyState.parse(Buffer.from(JSON.stringify({ ...raw, error })), '/key');
    assert.equal(read.error, written.error);
    const step = { name: 'check', ms: 1, error: '' };
    assert.equal(there(switchoverReport, { ...report, steps: Array(300).fill(step) }).steps.length, 100);
  });

  it('refuse to write what no reader would take', () => {
    assert.throws(
      () => proxyState.serialise({ ...proxy, id: '../master' }),
      (error) =>
        hasCode(error, 'internal') && /this proxy's state cannot be written: "id": /.test(error.message),
    );
  });

  const json = JSON.parse(pauseRequest.serialise(request)) as object;
  for (const [what, value, why] of [
    ['no JSON', 'rubbish', /it is not JSON$/],
    ['nothing', '', /it is not JSON$/],
    ['another kind of JSON', [], /expected object/],
    ['no id', { ...json, id: undefined }, /"id": .*expected string/],
    ['an id that could be a path', { ...json, id: '../x' }, /"id": /],
    ['an unknown phase', { ...json, phase: 'stop' }, /"phase": /],
    ['a release without a revision', { ...json, release: undefined }, /"release": has to be there/],
    ['a revision without a release', { ...json, phase: 'pause' }, /"release": has to be there/],
    ['a revision as a number', { ...json, release: 42 }, /"release": /],
    ['a duration that is no number', { ...json, duration_ms: 'long' }, /"duration_ms": /],
    ['too much', 'x'.repeat(5_000), /its 5000 bytes are more than 4096$/],
  ] as const) {
    it(`refuse ${what}, and say why`, () => {
      const text = refusal(pauseRequest as never, value);
      assert.match(text, /^"\/key" is no pause request: /);
      assert.match(text, why);
      assert.ok(text.length < 400, text);
    });
  }

  it('let nothing of a bad value reach a terminal as it stands', () => {
    const text = refusal(pauseRequest as never, {
      ...json,
      '\u001b[2J': 1,
      phase: '\u001b[2J',
      id: '\u009b2J',
    });
    assert.doesNotMatch(text, /\p{Cc}/u);
  });
});
