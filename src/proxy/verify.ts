import type { BouncerDatabase } from '../domain/bouncer.js';
import type { Leads } from '../domain/bouncer-config.js';

/**
 * Compares what a PgBouncer says of its databases with what its config file says.
 *
 * @returns what leads elsewhere, in words; undefined when all is as the file says
 */
export function findAstray(
  databases: readonly BouncerDatabase[],
  leads: Leads,
  address: string,
): string | undefined {
  for (const [name, host] of leads.databases) {
    const shown = databases.find((database) => database.name === name);
    if (shown === undefined) return `it has no database ${name}`;
    if (shown.host !== host) return `its database ${name} leads to ${describeHost(shown)}`;
  }
  if (leads.otherwise !== undefined) {
    // PgBouncer shows a database made from `*` only once a client has asked for it.
    const astray = databases.find(({ name, host }) => !leads.named.has(name) && host !== leads.otherwise);
    return astray && `its database ${astray.name}, made from *, leads to ${describeHost(astray)}`;
  }
  if (leads.databases.size > 0) return undefined;
  // The entries stand where pgcm does not look, in a file that is brought in by %include.
  const found = databases.some(({ host }) => host?.split(',').includes(address) === true);
  return found ? undefined : 'none of its databases leads there';
}

function describeHost({ host }: BouncerDatabase): string {
  return host ?? 'a unix socket';
}
