import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress, quote } from '../../src/domain/address.js';
import { hasCode, describeError } from '../../src/domain/errors.js';

describe('an address from outside', () => {
  for (const [text, address] of [
    ['10.0.0.1', '10.0.0.1'],
    ['127.0.0.1', '127.0.0.1'],
    ['223.255.255.255', '223.255.255.255'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::1', '::1'],
    ['fd00::10.0.0.1', 'fd00::a00:1'],
  ] as const) {
    it(`${text} is ${address}`, () => assert.equal(parseAddress(text), address));
  }

  for (const [text, reason] of [
    ['', /empty/],
    ['pg01', /neither/],
    ['10.0.0.1\n', /neither/],
    ['10.0.0.1 port=1', /neither/],
    [' 10.0.0.1', /neither/],
    ['10.0.0.1:5432', /neither/],
    ['10.0.0', /neither/],
    ['10.0.0.256', /over 255/],
    ['010.0.0.1', /leading zero/],
    ['0.0.0.0', /no host/],
    ['0.1.2.3', /no host/],
    ['224.0.0.1', /multicast/],
    ['239.255.255.255', /multicast/],
    ['240.0.0.1', /no host/],
    ['255.255.255.255', /no host/],
    ['::', /unspecified/],
    ['0:0::0', /unspecified/],
    ['ff02::1', /multicast/],
    ['FF02::1', /multicast/],
    ['fe80::1', /link-local/],
    ['fe80::1%eth0', /neither/],
    ['::ffff:10.0.0.1', /mapped/],
    ['[::1]', /neither/],
    ['::1]:5432/[', /neither/],
    ['1:2:3', /neither/],
    ['1'.repeat(1_000_000), /too long/],
  ] as const) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
      assert.throws(
        () => parseAddress(text),
        (error) => hasCode(error, 'bad-address') && reason.test(error.message) && error.message.length < 200,
      );
    });
  }
});

describe('quoting', () => {
  it('leaves no control character, also none that JSON leaves', () => {
    const quoted = quote('a\u0000b\nc\u007fd\u009be\u001b[31m');
    assert.equal(quoted, '"a\\u0000b\\nc\\u007fd\\u009be\\u001b[31m"');
    assert.equal(JSON.parse(quoted), 'a\u0000b\nc\u007fd\u009be\u001b[31m');
  });

  it('shortens, and says so', () => {
    assert.equal(quote('x'.repeat(100), 5), '"xxxxx... (100 characters)"');
  });

  it('is used in the error', () => {
    assert.throws(
      () => parseAddress('a\u009bb'),
      (error) => !/[\u007f-\u009f]/.test(describeError(error)),
    );
  });
});
