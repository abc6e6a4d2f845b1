import type { Bouncer, BouncerPool, PauseScope } from '../domain/bouncer.js';
import { describeError } from '../domain/errors.js';
import type { ProxyBouncer } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';

export interface BouncerLook {
  readonly bouncer: ProxyBouncer;
  readonly clientsWaiting: number;
}

/** What the checks of a switchover need to know of one PgBouncer. A console that does not answer is a finding. */
export async function lookAt(
  bouncer: Bouncer,
  follows: PauseScope,
  timeout: Milliseconds,
  signal: AbortSignal,
): Promise<BouncerLook> {
  const { name } = bouncer;
  try {
    return await runWithDeadline(`looking at ${name}`, timeout, signal, async (on) => {
      const pools = (await bouncer.pools(on)).filter(({ database }) => isHeld(database, follows));
      const sessionPooled = await sessionPools(bouncer, pools, follows, on);
      const queryWaitTimeout = seconds(await bouncer.setting('query_wait_timeout', on));
      const clientsWaiting = pools.reduce((sum, pool) => sum + pool.clientsWaiting, 0);
      return { bouncer: { name, error: '', sessionPooled, queryWaitTimeout }, clientsWaiting };
    });
  } catch (error) {
    const trouble = { name, error: describeError(error), sessionPooled: [], queryWaitTimeout: undefined };
    return { bouncer: trouble, clientsWaiting: 0 };
  }
}

/** A database's own mode, else the setting's; a user may have one, too, which only its pools show. */
async function sessionPools(
  bouncer: Bouncer,
  pools: readonly BouncerPool[],
  follows: PauseScope,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const databases = (await bouncer.databases(signal)).filter(({ name }) => isHeld(name, follows));
  const usual = await bouncer.setting('pool_mode', signal);
  const found = new Set<string>();
  for (const { name, poolMode } of databases) if ((poolMode ?? usual) === 'session') found.add(name);
  for (const { database, poolMode } of pools) if (poolMode === 'session') found.add(database);
  return [...found].sort();
}

function isHeld(database: string, follows: PauseScope): boolean {
  return follows === 'all' || follows.includes(database);
}

/** As the console writes it; 0 is none. */
function seconds(text: string): Milliseconds | undefined {
  return /^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * 1_000) : undefined;
}
