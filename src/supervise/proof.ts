import { PgcmError } from '../domain/errors.js';
import type { ReplicationLook, ReplicationSession, TestRow, Walsender } from '../domain/replication.js';
import { followsBarrier, followsList } from '../domain/synchronous-names.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, sleep } from '../runtime/deadline.js';

/**
 * While a CHECKPOINT runs backends may not wait for as long as it lasts: the checkpointer takes the new setting in when
 * it has time. Nobody waits meanwhile, so there is no hurry.
 */
const NOT_WAITING_YET: Milliseconds = 60_000;
const ANOTHER_ROW: Milliseconds = 25;

/** From when commits wait: they do so in vain if it does not come about. */
const WAITING: Milliseconds = 1_500;
const LOOK_AGAIN: Milliseconds = 2;

/** Whether no walsender but those to these standbys has a place in the list it follows, and each of them has the barrier's. */
export function isSettled({ walsenders }: ReplicationLook, standbys: ReadonlySet<string>): boolean {
  return walsenders.every(({ place, name }) => place === 0 || (followsBarrier(place) && standbys.has(name)));
}

/** Waits until no walsender follows a list any more: with a barrier set, whatever it is around. */
export async function close(session: ReplicationSession, signal: AbortSignal): Promise<void> {
  await until('every walsender follows the barrier', WAITING, signal, async () =>
    isClosed(await session.look(signal)),
  );
}

/** Whether no walsender ends any wait. */
export function isClosed({ walsenders }: ReplicationLook): boolean {
  return walsenders.every(({ place }) => place === 0 || followsBarrier(place));
}

/** Waits until every walsender has taken the barrier around these standbys in. */
export async function settle(
  session: ReplicationSession,
  standbys: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  await until('every walsender follows the new list', WAITING, signal, async () =>
    isSettled(await session.look(signal), standbys),
  );
}

/**
 * With a list set in place of the barrier: lets those go on that wait. A walsender ends waits only when its standby says
 * something, and one that has everything says nothing for a second, so it is given something to answer, once all of
 * them follow the list.
 */
export async function goOn(
  session: ReplicationSession,
  standbys: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const end = monotonic() + WAITING;
  const follow = ({ walsenders }: ReplicationLook): boolean =>
    walsenders.every(({ name, place }) => !standbys.has(name) || followsList(place));
  while (!follow(await session.look(signal)) && monotonic() < end) await pause(LOOK_AGAIN, signal);
  await session.writeRecord(signal);
}

/**
 * With the barrier set around these standbys: waits until no commit is acknowledged any more, and they have all that
 * was. Two rows are committed, the second one when the first was seen to wait though all have flushed it: whoever
 * would have ended its wait had its chance.
 *
 * @param isMember whether a walsender is to the member whose name it has: only what that one has flushed counts
 * @throws PgcmError `timed-out`, `aborted`, and what the session throws
 */
export async function prove(
  session: ReplicationSession,
  [first, second]: readonly [TestRow, TestRow],
  standbys: ReadonlySet<string>,
  isMember: (walsender: Walsender) => boolean,
  signal: AbortSignal,
): Promise<Proof> {
  const since = await untilItWaits(session, first, standbys, signal);
  const end = monotonic() + WAITING;
  const left = (): Milliseconds => Math.max(1, end - monotonic());
  await untilFlushed(session, standbys, isMember, left(), signal);
  await second.commit(signal);
  await until('the second test row waits', left(), signal, async () =>
    (await session.waiting([second.pid], signal)).has(second.pid),
  );
  const position = await untilFlushed(session, standbys, isMember, left(), signal);
  const waiting = await session.waiting([first.pid, second.pid], signal);
  if (waiting.size === 2) return { position, since };
  throw new PgcmError('conflict', 'a test row was acknowledged in spite of the barrier');
}

export interface Proof {
  /** All of them have flushed it: whatever was acknowledged is before it. */
  readonly position: bigint;
  /** When the row was committed that was the first to wait. */
  readonly since: Milliseconds;
}

/** A row that is acknowledged at once proves that commits do not wait yet: then another one is tried. */
async function untilItWaits(
  session: ReplicationSession,
  row: TestRow,
  standbys: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Milliseconds> {
  const end = monotonic() + NOT_WAITING_YET;
  while (monotonic() < end) {
    const since = monotonic();
    await row.commit(signal);
    while (!row.acknowledged && monotonic() - since < WAITING) {
      if ((await session.waiting([row.pid], signal)).has(row.pid)) return since;
      await pause(LOOK_AGAIN, signal);
    }
    if (!row.acknowledged) break;
    await pause(ANOTHER_ROW, signal);
    const { walsenders } = await session.look(signal);
    const gone = [...standbys].find((name) => !walsenders.some((one) => one.name === name));
    if (gone !== undefined) throw new PgcmError('conflict', `${gone} is gone again`);
  }
  throw new PgcmError('timed-out', 'a test row is neither acknowledged nor does it wait for the barrier');
}

/** @returns the position from the beginning of this wait */
async function untilFlushed(
  session: ReplicationSession,
  standbys: ReadonlySet<string>,
  isMember: (walsender: Walsender) => boolean,
  within: Milliseconds,
  signal: AbortSignal,
): Promise<bigint> {
  const { flushed: position } = await session.look(signal);
  const has = (look: ReplicationLook, name: string): boolean =>
    look.walsenders.some(
      (one) =>
        one.name === name &&
        isMember(one) &&
        followsBarrier(one.place) &&
        one.flushed !== undefined &&
        one.flushed >= position,
    );
  await until(`${[...standbys].join(', ')} flushed all that there is`, within, signal, async () => {
    const look = await session.look(signal);
    return isSettled(look, standbys) && [...standbys].every((name) => has(look, name));
  });
  return position;
}

async function until(
  what: string,
  within: Milliseconds,
  signal: AbortSignal,
  isTrue: () => Promise<boolean>,
): Promise<void> {
  const end = monotonic() + within;
  while (!(await isTrue())) {
    if (monotonic() > end) throw new PgcmError('timed-out', `waited in vain until ${what}`);
    await pause(LOOK_AGAIN, signal);
  }
}

async function pause(ms: Milliseconds, signal: AbortSignal): Promise<void> {
  if ((await sleep(ms, signal)) === 'aborted') throw abortError(signal, 'the proof that commits wait');
}
