import { isIPv6 } from 'node:net';
import { parseAddress, quote } from '../domain/address.js';
import { describeError } from '../domain/errors.js';
import { text, type Kind, type Reading } from './kinds.js';

/** Texts that name where to connect to or to listen. They are kept as they were written. */
function place(label: string, refusal: (value: string) => string | undefined): Kind<string> {
  const base = text({ empty: 'refused' }, label);
  const read = (value: string): Reading<string> => {
    const reading = base.read(value);
    if (!reading.ok) return reading;
    const why = refusal(value);
    return why === undefined ? reading : { ok: false, why };
  };
  return {
    ...base,
    read,
    readToml: (value) => (typeof value === 'string' ? read(value) : base.readToml(value)),
  };
}

/** `pg01:8080`, `10.0.0.1:8080`, `[2001:db8::1]:8080`. */
export function hostPort(): Kind<string> {
  return place('HOST:PORT', (value) => refusedHostPort(value, { host: 'needed', lowestPort: 1 }));
}

/** Like hostPort, and `:8080` for every address of this machine. Port 0 lets the kernel choose one. */
export function bindAddress(): Kind<string> {
  return place('[HOST]:PORT', (value) => refusedHostPort(value, { host: 'optional', lowestPort: 0 }));
}

/**
 * `127.0.0.1`, `10.0.0.1:9100`, `[::1]:9100`, `:9100` for every address of this machine, or `off`. Port 0 lets the
 * kernel choose one.
 */
export function httpAddress(): Kind<string> {
  return place('HOST[:PORT]|off', (value) => {
    if (value === 'off' || isIPv6(value)) return undefined;
    const withPort = /:[^\]]*$/.test(value) ? value : `${value}:0`;
    return refusedHostPort(withPort, { host: 'optional', lowestPort: 0 });
  });
}

interface HostPortRules {
  readonly host: 'needed' | 'optional';
  readonly lowestPort: 0 | 1;
}

function refusedHostPort(value: string, { host, lowestPort }: HostPortRules): string | undefined {
  if (isIPv6(value)) return `${quote(value)}: write an IPv6 address with brackets and a port: [::1]:8080`;
  const parts = /^(.*):(\d{1,5})$/.exec(value);
  if (!parts) return `${quote(value)} is not host:port`;
  const [, name = '', digits = ''] = parts;
  const number = Number(digits);
  if (number < lowestPort || number > 65_535)
    return `${quote(value)}: the port is not between ${lowestPort} and 65535`;
  if (name === '') return host === 'optional' ? undefined : `${quote(value)} names no host`;
  const bracketed = /^\[(.*)\]$/.exec(name);
  if (bracketed)
    return isIPv6(bracketed[1] ?? '') ? undefined : `${quote(value)}: no IPv6 address in brackets`;
  return /^[\w.-]+$/.test(name) ? undefined : `${quote(value)}: no host name or address before the port`;
}

/** `http://127.0.0.1:2379`, `https://etcd1:2379`; without a scheme it is http. */
export function etcdEndpoint(): Kind<string> {
  return place('URL', (value) => {
    const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
    // Not quoted: what stands before the @ is a password.
    if (url.includes('@')) return 'an endpoint must not hold a user: use etcd-user and etcd-password-file';
    if (!URL.canParse(url)) return `${quote(value)} is not a URL such as http://127.0.0.1:2379`;
    const { protocol, pathname, search, hash } = new URL(url);
    if (protocol !== 'http:' && protocol !== 'https:') return `${quote(value)} is neither http nor https`;
    if (pathname !== '/' || search !== '' || hash !== '')
      return `${quote(value)} has more than a host and a port`;
    return undefined;
  });
}

/** `pg01=10.0.0.1`: a node, as the cluster manager names it, and the IP address of its PostgreSQL. */
export function memberAddress(): Kind<string> {
  return place('NAME=ADDRESS', (value) => {
    const [, name, address] = /^([^=]*)=(.*)$/.exec(value) ?? [];
    if (name === undefined || address === undefined) return `${quote(value)} is not NAME=ADDRESS`;
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
      return `${quote(value)}: a name has letters, digits, dots, dashes and underscores, a letter or digit first`;
    }
    try {
      parseAddress(address);
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  });
}
