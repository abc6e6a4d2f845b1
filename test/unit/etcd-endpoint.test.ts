import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode } from '../../src/domain/errors.js';
import { parseEndpoints } from '../../src/etcd/endpoint.js';

describe('etcd endpoints', () => {
  for (const [text, url, target] of [
    ['http://10.77.0.11:2379', 'http://10.77.0.11:2379', 'dns:10.77.0.11:2379'],
    ['10.77.0.11:2379', 'http://10.77.0.11:2379', 'dns:10.77.0.11:2379'],
    ['localhost:2379', 'http://localhost:2379', 'dns:localhost:2379'],
    ['https://etcd1.example:2379/', 'https://etcd1.example:2379', 'dns:etcd1.example:2379'],
    ['http://[fd00::1]:2379', 'http://[fd00::1]:2379', 'dns:[fd00::1]:2379'],
    ['http://pg01', 'http://pg01:2379', 'dns:pg01:2379'],
    ['http://pg01:80', 'http://pg01:80', 'dns:pg01:80'],
    ['https://pg01:443', 'https://pg01:443', 'dns:pg01:443'],
  ] as const) {
    it(`reads ${text}`, () => {
      const [endpoint] = parseEndpoints([text], undefined);
      assert.equal(endpoint?.url, url);
      assert.equal(endpoint.target, target);
      assert.equal(endpoint.credentials._isSecure(), url.startsWith('https:'));
    });
  }

  it('names every endpoint that it does not understand', () => {
    const texts = [
      'ftp://pg01:21',
      'http://pg01:2379/path',
      'http://user@pg01:2379',
      '',
      'http://pg01:99999',
      'fd00::1',
    ];
    assert.throws(
      () => parseEndpoints(['http://pg01:2379', ...texts], undefined),
      (error) => {
        assert.ok(hasCode(error, 'usage'));
        for (const text of texts) assert.ok(error.message.includes(JSON.stringify(text)), error.message);
        assert.ok(!error.message.includes('"http://pg01:2379"'));
        return true;
      },
    );
    assert.throws(
      () => parseEndpoints([], undefined),
      (error) => hasCode(error, 'usage'),
    );
  });

  it('refuses certificates that cannot be used before anything connects', () => {
    const rubbish = Buffer.from('-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n');
    const tls = { ca: rubbish, cert: rubbish, key: rubbish };
    assert.throws(
      () => parseEndpoints(['https://pg01:2379'], tls),
      (error) => {
        assert.ok(hasCode(error, 'usage'));
        assert.match(error.message, /TLS certificates cannot be used: /);
        return true;
      },
    );
    assert.doesNotThrow(() => parseEndpoints(['http://pg01:2379'], tls));
  });
});
