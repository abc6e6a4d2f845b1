import type { Bouncer, BouncerDatabase, BouncerPool, PauseScope } from '../domain/bouncer.js';
import { describeError } from '../domain/errors.js';
import type { BouncerInspection } from '../domain/inspection.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

export interface BouncerLook {
  readonly inspection: BouncerInspection;
  /** For a server, on the databases that a pause holds. */
  readonly clientsWaiting: number;
}

/** Which of a bouncer's databases a pause holds. */
export type HeldDatabases = (databases: readonly BouncerDatabase[]) => PauseScope;

/** Longer than any client waits; a value that is no number of seconds is not known. */
const SECONDS = /^\d{1,9}(\.\d+)?$/;

/** What of one PgBouncer matters for a pause. Read only; a console that does not answer is a finding. */
export async function inspectBouncer(
  bouncer: Bouncer,
  held: HeldDatabases,
  timeout: Milliseconds,
  signal: AbortSignal,
): Promise<BouncerLook> {
  const { name } = bouncer;
  try {
    return await runWithDeadline(`looking at ${name}`, timeout, signal, async (on) => {
      const [databases, pools, poolMode, wait] = await Promise.all([
        bouncer.databases(on),
        bouncer.pools(on),
        bouncer.setting('pool_mode', on),
        bouncer.setting('query_wait_timeout', on),
      ]);
      const scope = held(databases);
      const isHeld = (database: string): boolean => scope === 'all' || scope.includes(database);
      const own = pools.filter(({ database }) => isHeld(database));
      const session = sessionPooled(databases, own, poolMode).filter(isHeld);
      const queryWaitTimeout = SECONDS.test(wait) ? Math.round(Number(wait) * 1_000) : undefined;
      return {
        inspection: { name, error: '', sessionPooled: session, queryWaitTimeout },
        clientsWaiting: own.reduce((sum, pool) => sum + pool.clientsWaiting, 0),
      };
    });
  } catch (error) {
    const text = describeError(error);
    return {
      inspection: { name, error: text, sessionPooled: [], queryWaitTimeout: undefined },
      clientsWaiting: 0,
    };
  }
}

/** A database's own mode, else the setting's; a user may have one, too, which only its pools show. */
function sessionPooled(
  databases: readonly BouncerDatabase[],
  pools: readonly BouncerPool[],
  usual: string,
): readonly string[] {
  const found = new Set<string>();
  for (const { name, poolMode } of databases) if ((poolMode ?? usual) === 'session') found.add(name);
  for (const { database, poolMode } of pools) if (poolMode === 'session') found.add(database);
  return [...found].sort();
}
