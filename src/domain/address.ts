import { PgcmError } from './errors.js';

/** An IP address, checked: canonical text, IPv4 dotted or IPv6 compressed, that a client can connect to. */
export type Address = string & { readonly __brand: 'Address' };

/** Longest text of an IPv6 address (RFC 4291, with an embedded IPv4 part). */
const MAX_LENGTH = 45;

/**
 * Parses what some other program wrote (the route in etcd, a node's address). The result reaches a
 * PgBouncer ini file, so whatever is not exactly one usable address is refused.
 *
 * @throws PgcmError `bad-address`, with a shortened, printable form of the text.
 */
export function parseAddress(text: string): Address {
  const reason = text.length > MAX_LENGTH ? 'it is too long' : refusal(text);
  if (reason !== undefined) {
    throw new PgcmError('bad-address', `${quote(text)} is not a usable address: ${reason}`);
  }
  return (text.includes(':') ? canonicalV6(text) : text) as Address;
}

/** A value that came from outside, made fit for a message: shortened, without control characters. */
export function quote(text: string, max = 60): string {
  const shown = text.length > max ? `${text.slice(0, max)}... (${text.length} characters)` : text;
  // JSON leaves DEL and the C1 controls as they are; some terminals obey them.
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function refusal(text: string): string | undefined {
  if (text === '') return 'it is empty';
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4) return refusalV4(v4.slice(1));
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !text.includes(':')) return 'it is neither IPv4 nor IPv6';
  const canonical = canonicalV6(text);
  if (canonical === undefined) return 'it is neither IPv4 nor IPv6';
  if (canonical === '::') return 'it is the unspecified address';
  if (canonical.startsWith('ff')) return 'it is a multicast address';
  if (/^fe[89ab]/.test(canonical)) return 'it is a link-local address, which needs an interface';
  if (canonical.startsWith('::ffff:'))
    return 'it is an IPv4 address mapped into IPv6: write the IPv4 address';
  return undefined;
}

function refusalV4(parts: readonly string[]): string | undefined {
  // inet_aton reads a leading zero as octal: 010.0.0.1 would be 8.0.0.1 to some programs.
  if (parts.some((part) => part.length > 1 && part.startsWith('0'))) return 'a part of it has a leading zero';
  const numbers = parts.map(Number);
  if (numbers.some((n) => n > 255)) return 'a part of it is over 255';
  const first = numbers[0] ?? 0;
  if (first === 0) return 'addresses in 0.0.0.0/8 name no host';
  if (first >= 224 && first <= 239) return 'it is a multicast address';
  if (first >= 240) return 'addresses from 240.0.0.0 on, and broadcast, name no host';
  return undefined;
}

/** The URL parser knows IPv6 and writes its canonical form; undefined when it refuses. */
function canonicalV6(text: string): string | undefined {
  if (!URL.canParse(`http://[${text}]/`)) return undefined;
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}
