import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  port,
  secret,
  text,
  tomlString,
  type Kind,
} from '../../src/config/kinds.js';
import { httpPlace } from '../../src/config/http-address.js';
import { bindAddress, etcdEndpoint, hostPort, httpAddress } from '../../src/config/network-kinds.js';

function reads<T>(kind: Kind<T>, from: string, value: T): void {
  assert.deepEqual(kind.read(from), { ok: true, value });
  const toml = parse(`key = ${kind.toToml(value)}`)['key'];
  assert.deepEqual(
    kind.readToml(toml),
    { ok: true, value },
    `not read again from TOML: ${kind.toToml(value)}`,
  );
  assert.deepEqual(kind.read(kind.toText(value)), { ok: true, value });
}

function refuses(kind: Kind<unknown>, from: string, why: RegExp): void {
  const reading = kind.read(from);
  assert.ok(!reading.ok, `${JSON.stringify(from)} was read`);
  assert.match(reading.why, why);
  assert.doesNotMatch(reading.why, /\p{Cc}/u);
}

function refusesToml(kind: Kind<unknown>, toml: unknown, why: RegExp): void {
  const reading = kind.readToml(toml);
  assert.ok(!reading.ok, `${JSON.stringify(toml)} was read`);
  assert.match(reading.why, why);
}

describe('kinds of values', () => {
  it('duration', () => {
    reads(duration(), '500ms', 500);
    reads(duration(), '1m0s', 60_000);
    reads(duration('allowed'), '0', 0);
    refuses(duration(), '0', /too short: at least 1ms/);
    refuses(duration('allowed'), '1us', /too short/);
    refuses(duration(), '5', /its unit is missing: 5s\?/);
    refuses(duration(), '-5s', /not a duration/);
    refuses(duration(), '', /not a duration/);
    refuses(duration(), 'a\u001bb', /"a\\u001bb" is not a duration/);
    // Node's timers fire at once from 2^31 ms on.
    reads(duration(), '576h', 24 * 86_400_000);
    refuses(duration(), '577h', /too long: at most 576h0m0s/);
    refusesToml(duration(), 5, /5 has no unit: write "5s"\?/);
    refusesToml(duration(), true, /expected a duration between quotes, found a boolean/);
  });

  it('integer and port', () => {
    reads(integer(0, 10), '7', 7);
    assert.deepEqual(port().readToml('6432'), { ok: true, value: 6432 });
    assert.deepEqual(port().readToml(6432), { ok: true, value: 6432 });
    for (const wrong of ['', '1.5', '0x10', '1e3', ' 1', 'x']) refuses(port(), wrong, /not a whole number/);
    for (const wrong of ['0', '65536', '-1']) refuses(port(), wrong, /not between 1 and 65535/);
    refusesToml(port(), 1.5, /not a whole number/);
    refusesToml(port(), [1], /found an array/);
  });

  it('boolean and choice', () => {
    reads(boolean(), 'true', true);
    reads(boolean(), 'false', false);
    refuses(boolean(), 'yes', /neither true nor false/);
    refusesToml(boolean(), 1, /found a number/);
    reads(choice('a', 'b'), 'b', 'b');
    refuses(choice('a', 'b'), 'c', /"c" is none of a, b/);
  });

  it('list', () => {
    reads(list(port()), '6432 6433, 6434', [6432, 6433, 6434]);
    assert.deepEqual(list(port()).readToml('6432'), { ok: true, value: [6432] });
    assert.deepEqual(list(port()).readToml(6432), { ok: true, value: [6432] });
    assert.deepEqual(list(port()).readToml(['6432', 6433]), { ok: true, value: [6432, 6433] });
    const inFolder = list(text({ empty: 'refused' }));
    assert.deepEqual(inFolder.readToml(['/a b']), { ok: true, value: ['/a b'] });
    refuses(list(port()), ' , ', /at least one/);
    refusesToml(list(port()), [], /at least one/);
    refuses(list(port()), 'x,1,0', /"x" is not a whole number; .*"0" is not between/);
    refuses(list(port(), { distinct: true }), '1,2,1', /"1" stands there twice/);
  });

  it('text and secret', () => {
    reads(text({ empty: 'allowed' }), '', '');
    reads(text({ empty: 'refused' }), 'ä "quoted" \\', 'ä "quoted" \\');
    refuses(text({ empty: 'refused' }), '', /must not be empty/);
    refuses(text({ empty: 'allowed' }), 'a\nb', /control character/);
    assert.deepEqual(secret().read('päss wort'), { ok: true, value: 'päss wort' });
    const refused = secret().read('hunter2\n');
    assert.ok(!refused.ok && !refused.why.includes('hunter2'));
    const number = secret().readToml(1_234_567);
    assert.ok(!number.ok && !number.why.includes('1234567'));
  });

  it('host and port', () => {
    for (const good of ['pg01:8080', '10.0.0.1:1', '[2001:db8::1]:65535', 'a-b.c_d:80'])
      reads(hostPort(), good, good);
    refuses(hostPort(), 'pg01', /not host:port/);
    refuses(hostPort(), ':8080', /names no host/);
    refuses(hostPort(), 'pg01:0', /between 1 and 65535/);
    refuses(hostPort(), 'pg01:65536', /between 1 and 65535/);
    refuses(hostPort(), '2001:db8::1', /with brackets and a port/);
    refuses(hostPort(), '2001:db8::1:8080', /with brackets and a port/);
    refuses(hostPort(), '[pg01]:8080', /no IPv6 address/);
    refuses(hostPort(), 'http://pg01:8080', /no host name/);
    refusesToml(hostPort(), 8080, /found a number/);
    refusesToml(hostPort(), 'pg01', /not host:port/);
    reads(bindAddress(), ':8080', ':8080');
    reads(bindAddress(), '127.0.0.1:0', '127.0.0.1:0');
  });

  it('http address', () => {
    const good = [
      'off',
      '127.0.0.1',
      '10.0.0.1:9100',
      '::1',
      '[::1]',
      '[::1]:9100',
      ':9100',
      'pg01',
      '127.0.0.1:0',
    ];
    for (const text of good) reads(httpAddress(), text, text);
    refuses(httpAddress(), '', /empty/);
    refuses(httpAddress(), '127.0.0.1:', /not host:port/);
    refuses(httpAddress(), '127.0.0.1:70000', /between 0 and 65535/);
    refuses(httpAddress(), 'http://127.0.0.1', /^"http:\/\/127.0.0.1" is not host:port/);
    refuses(httpAddress(), '[nonsense]', /no IPv6 address in brackets/);
  });

  it('an http address without a port leads each daemon to its own', () => {
    assert.deepEqual(httpPlace('127.0.0.1', 'supervise'), { host: '127.0.0.1', port: 8_632 });
    assert.deepEqual(httpPlace('127.0.0.1', 'proxy'), { host: '127.0.0.1', port: 8_633 });
    assert.deepEqual(httpPlace('pg01:9100', 'proxy'), { host: 'pg01', port: 9_100 });
    assert.deepEqual(httpPlace('::1', 'proxy'), { host: '::1', port: 8_633 });
    assert.deepEqual(httpPlace('[::1]', 'proxy'), { host: '::1', port: 8_633 });
    assert.deepEqual(httpPlace('[::1]:9100', 'proxy'), { host: '::1', port: 9_100 });
    assert.deepEqual(httpPlace(':9100', 'supervise'), { host: undefined, port: 9_100 });
    assert.equal(httpPlace('off', 'supervise'), undefined);
  });

  it('etcd endpoint', () => {
    for (const good of ['http://127.0.0.1:2379', 'https://etcd1:2379', 'etcd1:2379', 'http://[::1]:2379/']) {
      reads(etcdEndpoint(), good, good);
    }
    refuses(etcdEndpoint(), 'ftp://x', /neither http nor https/);
    refuses(etcdEndpoint(), 'http://x:1/v3', /more than a host and a port/);
    refuses(etcdEndpoint(), 'http://x:99999', /not a URL/);
    const reading = etcdEndpoint().read('http://root:hunter2@x:2379');
    assert.ok(!reading.ok && !reading.why.includes('hunter2') && reading.why.includes('etcd-user'));
  });

  it('TOML strings hold anything', () => {
    const all = Array.from({ length: 0x250 }, (_, at) => String.fromCharCode(at)).join('');
    assert.equal(parse(`key = ${tomlString(all)}`)['key'], all);
  });
});
