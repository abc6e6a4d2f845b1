import type { Address } from '../domain/address.js';
import type { Bouncer, BouncerDatabase } from '../domain/bouncer.js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline, sleep } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';

/** How often it is looked whether the bouncers lead to the target yet. */
const LOOK_INTERVAL: Milliseconds = 10;

/** The databases of each bouncer that led to the primary when the pause began, by name. */
export type LedBefore = ReadonlyMap<Bouncer, ReadonlySet<string>>;

/** Those of one bouncer. @param primary undefined when it was not known */
export function leadingTo(
  primary: Address | undefined,
  databases: readonly BouncerDatabase[],
): ReadonlySet<string> {
  return new Set(databases.filter(({ host }) => host === primary).map(({ name }) => name));
}

/** The bouncers that shall lead somewhere else, and what is known of them. */
export interface Journey {
  readonly bouncers: readonly Bouncer[];
  readonly target: Address;
  /** Empty when it is not known where they led. */
  readonly ledBefore: LedBefore;
  /** For one SHOW DATABASES. */
  readonly commandTimeout: Milliseconds;
}

/**
 * Waits until every bouncer leads to the target.
 * @returns what still keeps one from it after `timeout`, in words; undefined when all lead there
 * @throws PgcmError `aborted`
 */
export async function untilLeadingTo(
  journey: Journey,
  timeout: Milliseconds,
  signal: AbortSignal,
): Promise<string | undefined> {
  const deadline = monotonic() + timeout;
  for (;;) {
    // A PgBouncer that is restarting leads nowhere, but only for a moment.
    const obstacle = await look(journey, signal).catch(describeError);
    if (obstacle === undefined || monotonic() >= deadline) return obstacle;
    if ((await sleep(LOOK_INTERVAL, signal)) === 'aborted') {
      throw new PgcmError('aborted', `resume: given up while ${obstacle}`);
    }
  }
}

async function look(
  { bouncers, target, ledBefore, commandTimeout }: Journey,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const bouncer of bouncers) {
    const databases = await runWithDeadline(
      `SHOW DATABASES on ${bouncer.name}`,
      commandTimeout,
      signal,
      (on) => bouncer.databases(on),
    );
    const obstacle = findAstray(databases, target, ledBefore.get(bouncer));
    if (obstacle !== undefined) return `${bouncer.name} ${obstacle}`;
  }
  return undefined;
}

/**
 * Whether a bouncer has taken the config file that leads to a new primary. One RELOAD changes all of
 * its databases at once, so one of those that led to the old primary is enough. All cannot be asked
 * for: a site may have entries that always lead to one certain node.
 */
function findAstray(
  databases: readonly BouncerDatabase[],
  target: Address,
  before: ReadonlySet<string> = new Set(),
): string | undefined {
  // Only `*` stands in its file, which is not shown, and no client has come so far: nobody waits there.
  if (databases.length === 0) return undefined;
  const moving = databases.filter(({ name }) => before.has(name));
  const candidates = moving.length > 0 ? moving : databases;
  if (candidates.some(({ host }) => host === target)) return undefined;
  const [still] = moving;
  if (still === undefined) return 'has no database that leads there';
  return `still leads ${still.name} to ${still.host ?? 'a unix socket'}`;
}

/** @param pauseEndsAt on the monotonic clock; undefined when nothing is paused */
export function refusal(
  target: Address,
  timeout: Milliseconds,
  obstacle: string,
  pauseEndsAt: Milliseconds | undefined,
): PgcmError {
  const left = (pauseEndsAt ?? monotonic()) - monotonic();
  const end = Number.isFinite(left)
    ? `for ${formatDuration(Math.max(0, Math.round(left)))} at most`
    : 'until a resume';
  return new PgcmError(
    'refused',
    `PgBouncer does not lead to ${target} after ${formatDuration(timeout)}: ${obstacle}; ` +
      `clients wait ${end}; is pgcm proxy running on this node? its log says what keeps it`,
  );
}
