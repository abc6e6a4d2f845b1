import type { ReplicationLook, Walsender } from '../domain/replication.js';
import type { Milliseconds } from '../domain/time.js';

/** A standby acknowledges WAL as soon as it has flushed it. One that does not for so long is dead, frozen or cut off. */
const SILENT: Milliseconds = 2_000;
const OUTSTANDING: Milliseconds = 1_500;

/** Looks that are further apart say nothing of what happened in between: it may be this process that hung. */
const CONTINUOUS: Milliseconds = 500;

interface Seen {
  readonly reply: string;
  /** When its last word was first seen here: the time in it is of the standby's clock. */
  readonly repliedAt: Milliseconds;
  /** Since when it lacks something; undefined: it does not. */
  readonly lackingSince: Milliseconds | undefined;
  /** It was told of already: one that was ended takes a moment to go. */
  readonly told: boolean;
}

/** Finds the walsenders whose standby does not answer, sooner than wal_sender_timeout does. */
export class WalsenderSilence {
  #seen = new Map<string, Seen>();
  #lookedAt: Milliseconds = -Infinity;

  /** @returns once for each of them how long those have said nothing that commits should not wait for any longer */
  update(look: ReplicationLook, now: Milliseconds): ReadonlyMap<Walsender, Milliseconds> {
    const before = now - this.#lookedAt > CONTINUOUS ? new Map<string, Seen>() : this.#seen;
    this.#lookedAt = now;
    this.#seen = new Map();
    const silent = new Map<Walsender, Milliseconds>();
    for (const walsender of look.walsenders) {
      if (walsender.state !== 'streaming' && walsender.state !== 'catchup') continue;
      const key = `${walsender.pid} ${walsender.started}`;
      const seen = seenNow(walsender, look, before.get(key), now);
      const isNews = !seen.told && isSilent(seen, look, now);
      this.#seen.set(key, isNews ? { ...seen, told: true } : seen);
      if (isNews) silent.set(walsender, now - seen.repliedAt);
    }
    return silent;
  }
}

function seenNow(
  walsender: Walsender,
  look: ReplicationLook,
  before: Seen | undefined,
  now: Milliseconds,
): Seen {
  const { reply, flushed } = walsender;
  const lacks = flushed === undefined || flushed < look.flushed;
  const same = before?.reply === reply;
  return {
    reply,
    told: same && before.told,
    repliedAt: same ? before.repliedAt : now,
    lackingSince: lacks ? (before?.lackingSince ?? now) : undefined,
  };
}

/** Without anything to acknowledge it speaks every wal_receiver_status_interval. */
function isSilent({ repliedAt, lackingSince }: Seen, look: ReplicationLook, now: Milliseconds): boolean {
  const silence = now - repliedAt;
  const lacks = lackingSince !== undefined && now - lackingSince >= OUTSTANDING;
  if (lacks && silence >= SILENT) return true;
  return look.statusInterval > 0 && silence >= SILENT + 2 * look.statusInterval;
}
