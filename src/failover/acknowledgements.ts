import { PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Revision } from '../domain/route.js';
import type { ProxyListing } from '../domain/stores.js';
import type { ProxyState } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { runUntil } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { planOf, type SwitchoverContext } from './context.js';
import type { Watched } from './watched.js';

/** Beyond the time that the proxies have themselves: they end the wait, and say why. */
const GRACE: Milliseconds = 1_000;

/**
 * Waits until every registered proxy says that its clients wait; those that join meanwhile, too.
 * @returns their ids
 * @throws PgcmError at once when one of them cannot
 */
export async function untilProxiesPaused(
  context: SwitchoverContext,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const { exempt } = planOf(context);
  const expected = new Set(context.pausing?.proxies);
  const paused = new Set<string>();
  let missing: readonly string[] = [];
  const look = ({ proxies }: ProxyListing): ReadonlySet<string> | undefined => {
    const counted = proxies.filter(({ id }) => !exempt.has(id));
    for (const { id } of counted) expected.add(id);
    // The release must be waited for from all who may have heard the request.
    if (context.pausing !== undefined) context.pausing = { ...context.pausing, proxies: new Set(expected) };
    counted.forEach((proxy) => requireNotFailed(proxy, context));
    for (const { id } of counted.filter((proxy) => isPaused(proxy, context))) paused.add(id);
    const here = new Set(counted.map(({ id }) => id));
    missing = [...expected].filter((id) => !paused.has(id));
    const gone = missing.filter((id) => !here.has(id));
    if (gone.length > 0) {
      throw new PgcmError(
        'unavailable',
        `${gone.join(', ')}: pgcm proxy ended before it had paused its clients: see its log there`,
      );
    }
    return missing.length === 0 ? paused : undefined;
  };
  const limit = context.options.pauseTimeout + GRACE;
  return await runUntil('pause', limit, signal, async (on, late) => {
    try {
      return await listings(context).until(look, on);
    } catch (error) {
      if (!late() || missing.length === 0) throw error;
      throw new PgcmError(
        'timed-out',
        `no word from pgcm proxy within ${formatDuration(limit)} that its clients wait: ${some(missing)}; see its ` +
          'log there, and the PgBouncer beside it',
        { cause: error },
      );
    }
  });
}

function requireNotFailed({ id, pause }: ProxyState, { holder }: SwitchoverContext): void {
  if (pause.kind !== 'failed' || pause.request !== holder.id) return;
  throw new PgcmError(
    'timed-out',
    `${id} could not pause its clients: ${pause.error}; a transaction that stays open can be waited for ` +
      '(--pause-timeout) or ended (--terminate-blockers)',
  );
}

function isPaused({ pause }: ProxyState, { holder }: SwitchoverContext): boolean {
  return pause.kind === 'paused' && pause.request === holder.id;
}

/**
 * Waits until every proxy that may have paused says that its clients run.
 * @param revision of the route that must lead them; undefined: wherever they are
 * @throws PgcmError `timed-out` naming those that did not say so
 */
export async function untilProxiesRun(
  context: SwitchoverContext,
  revision: Revision | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { exempt } = planOf(context);
  const expected = new Set(context.pausing?.proxies);
  let missing: readonly string[] = [...expected];
  const look = ({ proxies }: ProxyListing): true | undefined => {
    // One that joined after the others had paused has paused its clients, too.
    const joined = proxies.filter((proxy) => isPaused(proxy, context) && !exempt.has(proxy.id));
    for (const { id } of joined) expected.add(id);
    const states = new Map(proxies.map((proxy) => [proxy.id, proxy]));
    missing = [...expected].filter((id) => {
      const state = states.get(id);
      if (state === undefined || isPaused(state, context)) return true;
      return revision !== undefined && (state.route?.revision ?? 0n) < revision;
    });
    return missing.length === 0 ? true : undefined;
  };
  const limit = context.options.resumeTimeout + GRACE;
  await runUntil('release', limit, signal, async (on, late) => {
    try {
      await listings(context).until(look, on);
    } catch (error) {
      if (!late() || missing.length === 0) throw error;
      context.log.error(
        events.clientsResume,
        { proxies: missing },
        'these proxies did not say that their clients run',
      );
      throw new PgcmError(
        'timed-out',
        `no word from pgcm proxy within ${formatDuration(limit)} that its clients run again: ${some(missing)}; they ` +
          'go on by themselves when their pause ends; see its log there',
        { cause: error },
      );
    }
  });
}

function some(names: readonly string[]): string {
  const more = names.length > 10 ? ` and ${names.length - 10} more` : '';
  return `${names.slice(0, 10).join(', ')}${more}`;
}

function listings({ watched }: SwitchoverContext): Watched<ProxyListing> {
  if (watched === undefined) throw new PgcmError('internal', 'the proxies are not watched');
  return watched.proxies;
}
