import type { Commits, Wal } from './wal.js';

/** Members are numbers: 0 is A, 1 is B, and so on. */
export type MemberId = number;
export const nobody = -1;

/** A set of members, as bits. In synchronous_standby_names it may hold the barrier as well. */
export type Names = number;
/**
 * Whoever waits for it waits for ever: a count that no number of walsenders reaches, FIRST 1000 (names). Without rule
 * 3-count it is a name that no standby has, FIRST n (names, barrier).
 */
export const barrier: Names = 128;

/** A compare-and-set on the record's revision decides by whether the record was written since: see etcd.ts. */
export interface EntitlementRecord {
  readonly primary: MemberId;
  readonly timeline: number;
  /** Who is being promoted, or nobody. */
  readonly claimant: MemberId;
  readonly claimed: number;
  readonly entitled: Names;
  /** The highest timeline number ever reserved. */
  readonly highest: number;
}

/** A walsender, as the primary knows it; its standby may be long gone. */
export interface Sender {
  /** Its own copy of synchronous_standby_names. */
  readonly names: Names;
  readonly flushed: number;
}

/** `orphaned`: the postmaster was killed, a backend and the walsenders live on. */
export type Run = 'down' | 'standby' | 'primary' | 'stopping' | 'orphaned';

export interface Postgres {
  readonly run: Run;
  readonly wal: Wal;
  /** synchronous_standby_names, as it was set last. */
  readonly names: Names;
  /** What the checkpointer told the backends: commits wait for standbys. */
  readonly waits: boolean;
  /** Commits whose backends wait. */
  readonly waiting: Commits;
  /** The walsender to each standby. */
  readonly senders: readonly (Sender | undefined)[];
  /** One more to a standby that connected again before its last one had ended. */
  readonly ghosts: readonly (Sender | undefined)[];
  /** The primary that this standby streams from. */
  readonly upstream: MemberId;
  /** Ghost: entitled standbys that streamed when the postmaster was killed. */
  readonly bereft: Names;
}

/**
 * The replication manager of supervise on a primary.
 * idle; closing: sets the barrier before the list changes; altered: the barrier is set, waits for the proof; proven: waits for the new standby, then writes the
 * record; recorded: the record is written, synchronous_standby_names follows; rollback: only without rule 1.
 */
export interface Manager {
  readonly stage: 'idle' | 'closing' | 'altered' | 'proven' | 'recorded' | 'rollback' | 'unrecorded';
  /** The record was not written since this manager read it. */
  readonly fresh: boolean;
  /** Its connection to PostgreSQL is there, and holds the lock. */
  readonly session: boolean;
  /** Whom it wants entitled, itself included. */
  readonly wanted: Names;
  /** The flush position at the proof. */
  readonly position: number;
}

/** One call of the resource agent; `ready` between calls. */
export interface Agent {
  readonly stage: 'ready' | 'claimed' | 'promoted' | 'confirmed' | 'withdrawn' | 'rewinding';
  readonly fresh: boolean;
  readonly session: boolean;
  /** The number that it claimed. */
  readonly timeline: number;
  /** Whom it rewinds onto. */
  readonly source: MemberId;
}

export interface Member {
  readonly postgres: Postgres;
  readonly manager: Manager;
  /** A supervise that was frozen amid something and was replaced; it may go on at any time. */
  readonly frozen: Manager | undefined;
  readonly agent: Agent;
  /** Machine and disk are gone for good. */
  readonly lost: boolean;
}

export interface State {
  readonly record: EntitlementRecord;
  /** Writes whose outcome is in doubt: each may still be made, as long as no other was. Sorted. */
  readonly late: readonly EntitlementRecord[];
  readonly members: readonly Member[];
  /** How many commits clients have issued. */
  readonly issued: number;
  /** Those that clients were told of. */
  readonly acknowledged: Commits;
}

export const idle: Manager = { stage: 'idle', fresh: false, session: false, wanted: 0, position: 0 };
export const ready: Agent = { stage: 'ready', fresh: false, session: false, timeline: 0, source: nobody };

export function bit(member: MemberId): Names {
  return 1 << member;
}

export function has(names: Names, member: MemberId): boolean {
  return (names & (1 << member)) !== 0;
}

export function nameOf(member: MemberId): string {
  return 'ABCD'.charAt(member);
}

const texts = Array.from({ length: 2 * barrier }, (_, names) => textOf(names));

/** Such as {A, B}: for synchronous_standby_names FIRST 2 (A, B). */
export function namesText(names: Names): string {
  return texts[names] ?? textOf(names);
}

function textOf(names: Names): string {
  const members = [0, 1, 2, 3].filter((member) => has(names, member)).map(nameOf);
  return `{${[...members, ...((names & barrier) === 0 ? [] : ['barrier'])].join(', ')}}`;
}

export function memberOf(state: State, member: MemberId): Member {
  const found = state.members[member];
  if (found === undefined) throw new RangeError(`there is no member ${member}`);
  return found;
}

export function withMember(state: State, member: MemberId, change: Partial<Member>): State {
  const members = state.members.slice();
  members[member] = { ...memberOf(state, member), ...change };
  return { ...state, members };
}

export function withPostgres(state: State, member: MemberId, change: Partial<Postgres>): State {
  return withMember(state, member, { postgres: { ...memberOf(state, member).postgres, ...change } });
}
