import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeError, hasCode, PgcmError } from '../../src/domain/errors.js';

describe('errors', () => {
  it('can be retried when a dependency was away or late, unless said otherwise', () => {
    assert.equal(new PgcmError('unavailable', 'x').retryable, true);
    assert.equal(new PgcmError('timed-out', 'x').retryable, true);
    assert.equal(new PgcmError('refused', 'x').retryable, false);
    assert.equal(new PgcmError('unavailable', 'x', { retryable: false }).retryable, false);
  });

  it('have a code to ask for', () => {
    const error: unknown = new PgcmError('refused', 'x');
    assert.equal(hasCode(error, 'usage', 'refused'), true);
    assert.equal(hasCode(error, 'usage'), false);
    assert.equal(hasCode(new Error('refused'), 'refused'), false);
  });
});

describe('the text of an error', () => {
  it('goes on with its causes, each said once', () => {
    const error = new PgcmError('unavailable', 'reading /x: ENOENT', {
      cause: new Error('ENOENT', { cause: new Error('the disk') }),
    });
    assert.equal(describeError(error), 'reading /x: ENOENT: the disk');
  });

  it('is one line without control characters', () => {
    assert.equal(describeError(new Error('a\n  b\r\nc\u001b[2Jd\u2028e\n')), 'a b c [2Jd e');
  });

  it('names what an error of several addresses is made of', () => {
    const error = new AggregateError([new Error('refused ::1'), new Error('refused 127.0.0.1')]);
    assert.equal(describeError(error), 'refused ::1, refused 127.0.0.1');
  });

  it('falls back on the name', () => {
    assert.equal(describeError(new TypeError()), 'TypeError');
  });

  it('ends when a cause points back', () => {
    const a = new Error('a');
    a.cause = new Error('b', { cause: a });
    assert.equal(describeError(a), 'a: b');
  });

  it('comes of anything that can be thrown', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    assert.deepEqual(['text', 5, { a: 1 }, circle, 5n, Symbol('x'), () => 1].map(describeError), [
      'text',
      '5',
      '{"a":1}',
      'object',
      'bigint',
      'symbol',
      'function',
    ]);
    assert.equal(describeError(undefined), '');
  });
});
