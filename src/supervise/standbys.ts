import type { Address } from '../domain/address.js';
import { MEMBER_NAME, slotOf } from '../domain/entitlement.js';
import type { ReplicationLook, Walsender } from '../domain/replication.js';
import type { Milliseconds } from '../domain/time.js';
import { backoffDelay } from '../runtime/retry.js';

/** One that is connected and does not stream, as it catches up, is waited for so long. */
const CATCHES_UP_WITHIN: Milliseconds = 1_000;

/** Commits wait until a new standby has all that was acknowledged: more than this is too much to begin with. */
const MOST_LAG = 16n * 1_024n ** 2n;

/** After it could not be entitled: each time, commits waited in vain. */
const AGAIN = { min: 1_000, max: 30_000 } satisfies Record<string, Milliseconds>;

interface Failures {
  readonly walsender: number;
  readonly count: number;
  readonly notBefore: Milliseconds;
}

/** Which standbys there are, over several looks. */
export class Standbys {
  readonly #self: string;
  readonly #addressOf: (member: string) => Address | undefined;
  readonly #onRefused: (name: string, why: string) => void;
  readonly #away = new Map<string, Milliseconds>();
  readonly #failures = new Map<string, Failures>();
  readonly #refused = new Map<string, string>();

  /** @param onRefused told once for each reason why one that streams is not taken */
  constructor(
    self: string,
    addressOf: (member: string) => Address | undefined,
    onRefused: (name: string, why: string) => void,
  ) {
    this.#self = self;
    this.#addressOf = addressOf;
    this.#onRefused = onRefused;
  }

  /** Those among `names` that stream, or do again in a moment. */
  there(names: readonly string[], look: ReplicationLook, now: Milliseconds): ReadonlySet<string> {
    const there = names.filter((name) => this.#isThere(name, look, now));
    for (const name of this.#away.keys()) if (!names.includes(name)) this.#away.delete(name);
    return new Set(there);
  }

  #isThere(name: string, { walsenders }: ReplicationLook, now: Milliseconds): boolean {
    const own = walsenders.filter((one) => one.name === name && this.isMember(one));
    if (own.length === 0) return false;
    if (own.some(({ state }) => state === 'streaming')) {
      this.#away.delete(name);
      return true;
    }
    const since = this.#away.get(name) ?? now;
    this.#away.set(name, since);
    return now - since < CATCHES_UP_WITHIN;
  }

  /** Else it is another one under its name: commits that wait for that one are not on the member. */
  isMember({ name, address, slot }: Walsender): boolean {
    const expected = this.#addressOf(name);
    return (expected === undefined || address === expected) && slot === slotOf(name);
  }

  /** Those that could be entitled, the one that lacks least first. */
  candidates(look: ReplicationLook, now: Milliseconds): readonly string[] {
    const streaming = look.walsenders.filter(({ state }) => state === 'streaming');
    const fit = streaming.filter((walsender) => this.#isFit(walsender, look, now));
    const lag = ({ flushed }: Walsender): number => Number(look.flushed - (flushed ?? 0n));
    return fit.sort((a, b) => lag(a) - lag(b) || (a.name < b.name ? -1 : 1)).map(({ name }) => name);
  }

  #isFit(walsender: Walsender, look: ReplicationLook, now: Milliseconds): boolean {
    const { name, pid, flushed } = walsender;
    if (!MEMBER_NAME.test(name) || name === this.#self) return false;
    const why = this.#whyUnfit(walsender, look);
    if (why !== undefined && this.#refused.get(name) !== why) this.#onRefused(name, why);
    if (why === undefined) this.#refused.delete(name);
    else this.#refused.set(name, why);
    const lags = flushed === undefined || look.flushed - flushed > MOST_LAG;
    const failed = this.#failures.get(name);
    return why === undefined && !lags && (failed?.walsender !== pid || now >= failed.notBefore);
  }

  /** Its name is only what it says: a copied data directory brings another's along. */
  #whyUnfit({ name, address, slot }: Walsender, { walsenders }: ReplicationLook): string | undefined {
    const expected = this.#addressOf(name);
    if (expected === undefined) return 'the cluster manager knows no address of a member of this name';
    if (address !== expected) return `it comes from ${address ?? 'a unix socket'}, and not from ${expected}`;
    if (slot !== slotOf(name))
      return `it streams through ${slot ?? 'no slot'}, and not through ${slotOf(name)}`;
    if (walsenders.filter((one) => one.name === name).length > 1) return 'it is connected twice';
    return undefined;
  }

  /** It could not be entitled, and is left alone for a while, unless it connects anew. */
  failed(name: string, look: ReplicationLook, now: Milliseconds): void {
    const walsender = look.walsenders.find((one) => one.name === name)?.pid ?? 0;
    const before = this.#failures.get(name);
    const count = before?.walsender === walsender ? before.count + 1 : 0;
    this.#failures.set(name, { walsender, count, notBefore: now + backoffDelay(count, AGAIN) });
  }

  succeeded(name: string): void {
    this.#failures.delete(name);
  }
}
