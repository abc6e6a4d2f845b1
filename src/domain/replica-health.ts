import type { PublishedMember, PublishedTopology } from './switchover.js';
import type { Milliseconds } from './time.js';

/** What is remembered of a standby between two views of the cluster. */
export interface StandbyHealth {
  readonly address: string;
  readonly healthy: boolean;
  /** Since when nothing says that it replicates; undefined while something does. */
  readonly silentSince: Milliseconds | undefined;
}

/** By the member's name. */
export type ReplicaHealth = ReadonlyMap<string, StandbyHealth>;

/**
 * How long a standby of which nothing is known stays what it was. After a switchover its WAL position is
 * published only when the standbys are back at the new primary, and some seconds later.
 */
const SILENCE_ALLOWED: Milliseconds = 30_000;

/**
 * Which standbys readers may be sent to. Each change of it makes programs read their files again, so it has
 * a dead band: a standby that fell out by its lag is back only when that is half of what is allowed. One that is
 * not up, or no standby any more, is out at once. What is not known changes nothing: while the
 * primary is gone nobody can say how far behind a standby is, and just then readers need it.
 */
export function nextHealth(
  { members, primary }: PublishedTopology,
  before: ReplicaHealth,
  maxLag: number,
  now: Milliseconds,
): ReplicaHealth {
  const judged = members.map((member): readonly [string, StandbyHealth] => {
    const known = before.get(member.name);
    const prior = known?.address === member.address ? known : undefined;
    return [member.name, judge(member, { prior, isLost: primary.state === 'lost', maxLag, now })];
  });
  return new Map(judged);
}

interface Circumstances {
  readonly prior: StandbyHealth | undefined;
  readonly isLost: boolean;
  readonly maxLag: number;
  readonly now: Milliseconds;
}

function judge(member: PublishedMember, { prior, isLost, maxLag, now }: Circumstances): StandbyHealth {
  const { address, lag } = member;
  const state = (healthy: boolean, silentSince?: Milliseconds): StandbyHealth => ({
    address,
    healthy,
    silentSince,
  });
  if (!member.up || member.role !== 'standby' || address === '') return state(false);
  if (lag !== undefined) return state(lag <= (prior?.healthy === false ? maxLag / 2 : maxLag));
  const replicates = member.syncState !== 'unknown';
  if (replicates || isLost) return state(prior?.healthy ?? replicates);
  const since = prior?.silentSince ?? now;
  return state(prior?.healthy === true && now - since < SILENCE_ALLOWED, since);
}
