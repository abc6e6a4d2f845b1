import { PgcmError } from '../domain/errors.js';
import type { FoundLock } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import type { CleanupContext } from './context.js';

/** A run of pgsql-cluster-manager's renews a lease of 60 s: to see that it does not takes half of that. */
const LONGEST_LOOK: Milliseconds = 45_000;

/**
 * Removes the locks of runs that are dead, until nobody has one.
 * @returns the ids of those runs, as far as they left one
 * @throws PgcmError `refused` naming a run that is alive
 */
export async function removeDeadLocks(
  context: CleanupContext,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { view, say } = context;
  const ids: string[] = [];
  for (;;) {
    const found = await view.owner(signal);
    if (found === undefined) return ids;
    const outcome = await runWithDeadline(
      `finding out whether ${holderOf(found)} is alive`,
      LONGEST_LOOK,
      signal,
      (on) => view.removeDead(found, on),
    );
    if (outcome === 'alive') throw aliveError(holderOf(found));
    if (found.holder !== undefined) ids.push(found.holder.id);
    const how = outcome === 'removed' ? 'nobody renews it any more: removed' : 'it has ended meanwhile';
    say({ kind: 'done', text: `the failover lock of ${holderOf(found)}: ${how}` });
  }
}

const WAIT = 'wait for it to end, it cleans up itself';

function aliveError(who: string): PgcmError {
  return new PgcmError(
    'refused',
    `${who} is running and holds the failover lock: nothing was touched; ${WAIT}`,
  );
}

/** Somebody else took the lock after all. */
export function begunError(cause: PgcmError): PgcmError {
  return new PgcmError('refused', `a failover has begun meanwhile: ${WAIT}`, { cause });
}

/** Who holds a lock, for people. */
export function holderOf({ holder, key }: FoundLock): string {
  return holder === undefined
    ? `somebody who left no name, as pgsql-cluster-manager does not (key ${key})`
    : `switchover ${holder.id} (on ${holder.host}, pid ${holder.pid}, since ${holder.since})`;
}
