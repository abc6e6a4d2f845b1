import type { Leads } from '../domain/bouncer-config.js';

/**
 * Finds in a PgBouncer ini file which databases lead to this address. Only as much of the format as
 * that takes (https://www.pgbouncer.org/config.html, "Section [databases]"); a file brought in by
 * %include is not looked into.
 */
export function leadsTo(ini: string, address: string): Leads {
  const databases = new Map<string, string>();
  const named = new Set<string>();
  let otherwise: string | undefined;
  for (const [name, connection] of databaseEntries(ini)) {
    const host = connectionValue(connection, 'host');
    const leadsThere = host !== undefined && host.split(',').some((one) => one.trim() === address);
    if (name !== '*') named.add(name);
    if (name === '*') otherwise = leadsThere ? host : undefined;
    else if (leadsThere) databases.set(name, host);
    else databases.delete(name);
  }
  return { databases, otherwise, named };
}

/**
 * The databases whose `host=` has no value, or a list with a gap: PgBouncer would lead them to its own
 * machine's unix socket, or take the next setting for a host.
 */
export function withoutHost(ini: string): readonly string[] {
  const found: string[] = [];
  for (const [name, connection] of databaseEntries(ini)) {
    const bare = connection.replace(/'(?:[^']|'')*'/g, (quoted) => (quoted === "''" ? '' : 'quoted'));
    for (const [, host = ''] of bare.matchAll(/(?:^|\s)host\s*=\s*(\S*)/g)) {
      if (host.includes('=') || host.split(',').includes('')) found.push(name);
    }
  }
  return found;
}

/** The entries of [databases], in order: a later one of the same name replaces the earlier. */
function* databaseEntries(ini: string): Generator<readonly [name: string, connection: string]> {
  let section = '';
  for (const raw of ini.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith(';') || line.startsWith('#') || line.startsWith('%')) continue;
    const heading = /^\[([^\]]*)\]$/.exec(line)?.[1];
    if (heading !== undefined) section = heading.trim().toLowerCase();
    else if (section === 'databases') {
      const [, quoted, plain, connection] = /^(?:"((?:[^"]|"")*)"|([^="\s]+))\s*=(.*)$/.exec(line) ?? [];
      const name = quoted?.replaceAll('""', '"') ?? plain;
      if (name !== undefined) yield [name, connection ?? ''];
    }
  }
}

/** The last `key=value` with this key; a value may stand in single quotes, doubled inside of them. */
function connectionValue(connection: string, key: string): string | undefined {
  let found: string | undefined;
  for (const [, name, quoted, plain] of connection.matchAll(
    /([\w-]+)\s*=\s*(?:'((?:[^']|'')*)'|([^\s']\S*))/g,
  )) {
    if (name === key) found = quoted?.replaceAll("''", "'") ?? plain;
  }
  return found;
}
