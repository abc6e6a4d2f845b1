import { describeError } from '../domain/errors.js';
import type { Mandate } from '../domain/mandate.js';
import type { HeldLock } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { sleep } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import type { CleanupContext } from './context.js';
import type { Traces } from './traces.js';

/** For how long a request is there at least, so that every proxy's watch has told of it. */
const SHOWN: Milliseconds = 500;

/** Lets the clients of every Postgres node's PgBouncer go on, wherever they are led. */
export async function resumeNodes(
  { apis, options, say }: CleanupContext,
  mandate: Mandate,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    apis.map(async (api) => {
      try {
        await api.resume(undefined, options.resumeTimeout, mandate, signal);
        say({ kind: 'done', text: `${api.endpoint}: no pause is left at this node` });
      } catch (error) {
        signal.throwIfAborted();
        const end = 'if its clients are paused, they go on when the pause-expiry of that run is over';
        say({
          kind: 'left',
          text: `${api.endpoint}: could not be told to resume; ${end}: ${describeError(error)}`,
        });
      }
    }),
  );
}

/** Lets the clients go on that proxies hold for this run, and removes its request. */
export async function liftRequest(
  context: CleanupContext,
  run: string,
  traces: Traces,
  held: HeldLock,
  signal: AbortSignal,
): Promise<void> {
  const { requests, options, say } = context;
  const holding = traces.paused.filter((paused) => paused.run === run).map(({ proxy }) => proxy.id);
  const requested = traces.request?.id === run;
  if (!requested && holding.length === 0) return;
  const { resumeTimeout } = options;
  await requests.write(
    { id: run, phase: 'abort', release: undefined, duration: resumeTimeout, timeout: resumeTimeout },
    held,
    signal,
  );
  // A proxy that was about to pause has not said so yet: the request stays long enough for all to see it.
  const [late] = await Promise.all([
    waitUntilRunning(context, run, resumeTimeout, signal),
    sleep(SHOWN, signal),
  ]);
  for (const id of holding.filter((one) => !late.includes(one))) {
    say({ kind: 'done', text: `proxy ${id}: its clients were paused for switchover ${run} and go on` });
  }
  for (const id of late) {
    const after = `has not let its clients go on within ${formatDuration(resumeTimeout)}`;
    say({
      kind: 'left',
      text: `proxy ${id} ${after}; they do when the pause-expiry of switchover ${run} is over`,
    });
  }
  await requests.clear(held, signal);
  if (!requested) return;
  say({
    kind: 'done',
    text: `the pause request of switchover ${run} (phase ${traces.request.phase}): removed`,
  });
}

/** @returns the proxies that hold their clients for this run even then */
async function waitUntilRunning(
  { proxies }: CleanupContext,
  run: string,
  within: Milliseconds,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), within);
  const onAbort = (): void => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  let holding: readonly string[] = [];
  try {
    if (signal.aborted) stop.abort();
    await proxies.follow((listing) => {
      holding = listing.proxies
        .filter(({ pause }) => pause.kind === 'paused' && pause.request === run)
        .map(({ id }) => id);
      if (holding.length === 0) stop.abort();
    }, stop.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
  signal.throwIfAborted();
  return holding;
}
