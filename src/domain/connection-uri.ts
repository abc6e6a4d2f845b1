import type { Address } from './address.js';
import type { ReplicaFallback, RouteView, ViewedMember } from './route-view.js';

export interface UriOptions {
  readonly role: 'primary' | 'replica';
  /** Whether readers may be led to the primary. */
  readonly fallback: ReplicaFallback;
  readonly port: number;
  /** Empty: libpq's own default. */
  readonly user: string;
  readonly database: string;
}

/** In seconds. Without one, libpq waits for a host that is gone until the kernel gives up, before it tries the next. */
const CONNECT_TIMEOUT = 3;

/**
 * A URI for libpq, and what is like it, that goes on being right when the primary moves: it has all members, and libpq
 * takes the first one that is what is asked for. So the order only saves time: those that fit now come first,
 * those that are down last.
 */
export function connectionUri(view: RouteView, options: UriOptions): string {
  const { role, port, user, database } = options;
  const hosts = hostsOf(view, role).map((host) => `${inBrackets(host)}:${port}`);
  const target =
    role === 'primary' ? 'read-write' : options.fallback === 'none' ? 'standby' : 'prefer-standby';
  const who = user === '' ? '' : `${encode(user)}@`;
  const path = database === '' ? '' : encode(database);
  return `postgresql://${who}${hosts.join(',')}/${path}?target_session_attrs=${target}&connect_timeout=${CONNECT_TIMEOUT}`;
}

function hostsOf(view: RouteView, role: UriOptions['role']): readonly Address[] {
  const { host, members } = view;
  const rank = (member: ViewedMember): number => {
    const isPrimary = member.address === host;
    if (role === 'primary') return isPrimary ? 0 : member === view.sync ? 1 : member.healthy ? 2 : 3;
    return isPrimary ? 1 : member.healthy ? 0 : 2;
  };
  const known = members.some(({ address }) => address === host) ? [] : [host];
  const ordered = [...members].sort((one, other) => rank(one) - rank(other)).map(({ address }) => address);
  const all = role === 'primary' ? [...known, ...ordered] : [...ordered, ...known];
  return [...new Set(all)];
}

function inBrackets(address: Address): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** libpq decodes what stands behind a percent sign, and nothing else. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
