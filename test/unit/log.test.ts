import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { events } from '../../src/domain/events.js';
import { createLog } from '../../src/telemetry/log.js';
import { toLogfmt } from '../../src/telemetry/logfmt.js';

function capture(format: 'json' | 'logfmt'): { lines: string[]; log: ReturnType<typeof createLog> } {
  const lines: string[] = [];
  return { lines, log: createLog({ format, write: (line) => lines.push(line) }) };
}

describe('the log', () => {
  it('writes one JSON object a line, with ts, event and msg', () => {
    const { lines, log } = capture('json');
    log.warn(events.etcdUpdate, { addr: '10.0.0.1', list: ['a', 'b'], none: undefined }, 'a\nmessage');
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^\{.*\}\n$/);
    const { ts, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.deepEqual(rest, {
      level: 'warn',
      event: 'etcd.update',
      addr: '10.0.0.1',
      list: ['a', 'b'],
      msg: 'a\nmessage',
    });
    assert.match(String(ts), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('writes logfmt for a person', () => {
    const { lines, log } = capture('logfmt');
    log.info(events.nodeChange, { from: 'pg01', why: 'a "reason"', empty: '' }, 'the text');
    assert.match(
      lines[0] ?? '',
      /^ts=\S+ event=node\.change from=pg01 why="a \\"reason\\"" empty="" msg="the text"\n$/,
    );
    log.error(events.nodeChange);
    assert.match(lines[1] ?? '', /^ts=\S+ level=error event=node\.change\n$/);
  });

  it('keeps the fields of `with` on every line, each once', () => {
    const { lines, log } = capture('json');
    log.with({ id: 'x', part: 'a' }).with({ part: 'b' }).info(events.nodeChange, { id: 'y' });
    assert.equal(lines.join('').match(/"id"/g)?.length, 1);
    const { id, part } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.deepEqual([id, part], ['y', 'b']);
  });

  it('never rounds a revision', () => {
    const { lines, log } = capture('json');
    log.info(events.etcdUpdate, { small: 7n, large: 2n ** 63n - 1n });
    const { small, large } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.deepEqual([small, large], [7, '9223372036854775807']);
  });
});

describe('logfmt', () => {
  it('quotes what would end a value or reach the terminal', () => {
    assert.equal(
      toLogfmt({
        event: 'e',
        a: 'x=y',
        b: 'x y',
        c: '\u001b[2J',
        d: 'x\u009by',
        e: 5,
        f: ['g', 'h'],
        g: '\\',
      }),
      'event=e a="x=y" b="x y" c="\\u001b[2J" d="x\\u009by" e=5 f="[\\"g\\",\\"h\\"]" g="\\\\"',
    );
  });

  it('takes anything', () => assert.equal(toLogfmt('text'), 'text'));
});
