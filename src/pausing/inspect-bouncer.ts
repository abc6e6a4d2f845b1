import type { Address } from '../domain/address.js';
import type { Bouncer } from '../domain/bouncer.js';
import { describeError } from '../domain/errors.js';
import type { BouncerInspection } from '../domain/inspection.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { leadingTo } from './destination.js';

/** Longer than any client waits; a value that is no number of seconds is not known. */
const SECONDS = /^\d{1,9}(\.\d+)?$/;

/**
 * What of one PgBouncer matters for a pause. Read only; a console that does not answer is a finding.
 * @param primary the published route's address; undefined when it is not known
 */
export async function inspectBouncer(
  bouncer: Bouncer,
  primary: Address | undefined,
  timeout: Milliseconds,
  signal: AbortSignal,
): Promise<BouncerInspection> {
  const { name } = bouncer;
  try {
    return await runWithDeadline(`looking at ${name}`, timeout, signal, async (on) => {
      const [databases, poolMode, wait] = await Promise.all([
        bouncer.databases(on),
        bouncer.setting('pool_mode', on),
        bouncer.setting('query_wait_timeout', on),
      ]);
      const session = databases.filter((database) => (database.poolMode ?? poolMode) === 'session');
      return {
        name,
        error: '',
        sessionPooled: [...leadingTo(primary, session)],
        queryWaitTimeout: SECONDS.test(wait) ? Number(wait) * 1_000 : undefined,
      };
    });
  } catch (error) {
    return { name, error: describeError(error), sessionPooled: [], queryWaitTimeout: undefined };
  }
}
