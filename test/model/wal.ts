/**
 * A member's write-ahead log as a text, one character for each record: a letter is a client's commit, a
 * digit the first record of the timeline with that number, `.` a shutdown checkpoint. What PostgreSQL
 * compares are positions and numbers of timelines; what is true are the letters.
 */
export type Wal = string;

export const shutdownCheckpoint = '.';

/** Commits as a set of bits; the commit with number n has the n-th letter. */
export type Commits = number;

const firstLetter = 'a'.charCodeAt(0);

export function letterOf(commit: number): string {
  return String.fromCharCode(firstLetter + commit);
}

export function lettersOf(commits: Commits): string {
  let letters = '';
  for (let commit = 0; commits >> commit > 0; commit++) {
    if (((commits >> commit) & 1) === 1) letters += letterOf(commit);
  }
  return letters;
}

export function commitsIn(wal: Wal, end = wal.length): Commits {
  let commits = 0;
  for (let at = 0; at < end; at++) {
    const code = wal.charCodeAt(at);
    if (code >= firstLetter) commits |= 1 << (code - firstLetter);
  }
  return commits;
}

/** What this timeline began at. The first timeline has no record of its beginning. */
interface Era {
  readonly timeline: number;
  readonly begin: number;
}

/** PostgreSQL's history file, the present timeline included. */
function history(wal: Wal): readonly Era[] {
  const eras: Era[] = [{ timeline: 1, begin: 0 }];
  for (let at = 0; at < wal.length; at++) {
    const digit = wal.charCodeAt(at) - 48;
    if (digit >= 1 && digit <= 9) eras.push({ timeline: digit, begin: at });
  }
  return eras;
}

export function timelineOf(wal: Wal): number {
  return history(wal).at(-1)?.timeline ?? 1;
}

/**
 * Whether a walsender that has `source` starts to stream to a standby that has `wal`. It compares numbers: the
 * standby's timeline is one of the source's, and did not end before the standby's position.
 */
export function canStream(wal: Wal, source: Wal): boolean {
  const eras = history(source);
  const era = eras.findIndex(({ timeline }) => timeline === timelineOf(wal));
  return era !== -1 && wal.length <= (eras[era + 1]?.begin ?? source.length);
}

/** What pg_rewind makes of `target`. It, too, believes in numbers: the same timeline, the same history. */
export function rewound(target: Wal, source: Wal): Wal {
  if (timelineOf(target) === timelineOf(source)) return target;
  const [mine, its] = [history(target), history(source)];
  let common = 0;
  while (sameEra(mine[common + 1], its[common + 1])) common++;
  const end = (eras: readonly Era[], wal: Wal) => eras[common + 1]?.begin ?? wal.length;
  return target.length <= Math.min(end(mine, target), end(its, source)) ? target : source;
}

function sameEra(one: Era | undefined, other: Era | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.timeline === other.timeline && one.begin === other.begin;
}
