import { describeError, hasCode } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Probe } from '../domain/node-api.js';
import type { Postgres } from '../domain/postgres.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { Latest } from '../runtime/latest.js';
import type { Service } from '../runtime/service-group.js';

export interface RoleWatchOptions {
  readonly postgres: Pick<Postgres, 'state' | 'probe'>;
  readonly log: Log;
  readonly onChange: () => void;
  /** Called at each turn, also when PostgreSQL did not answer. */
  readonly onTurn?: () => void;
  /** A PostgreSQL that was a primary here cannot be reached. */
  readonly onLost?: () => void;
}

/** PostgreSQL's last answer, or why there is none. */
export type RoleNews =
  | { readonly kind: 'never-asked' }
  /** `at`: when it was asked. */
  | { readonly kind: 'answered'; readonly inRecovery: boolean; readonly at: Milliseconds }
  | { readonly kind: 'silent'; readonly why: string };

const IDLE_INTERVAL: Milliseconds = 250;

/** While a promotion is expected here, every millisecond counts for clients that wait. */
const HASTE_INTERVAL: Milliseconds = 10;
const HASTE: Milliseconds = 60_000;

/**
 * Watches this node's PostgreSQL leave recovery. The cluster manager says it a good part of a second
 * later, as its agent goes on working after the promotion.
 */
export class RoleWatch implements Service {
  readonly name = 'role-watch';
  readonly #options: RoleWatchOptions;
  /** What PostgreSQL said of itself when it was last probed; undefined before. */
  readonly #seen = new Latest<Probe | undefined>(undefined);
  /** The timeline that was followed as a standby; undefined until it was seen as one. */
  #standbyTimeline: number | undefined;
  #promotedSince: Milliseconds | undefined;
  /** Undefined while PostgreSQL is down. */
  #timeline: number | undefined;
  #hasteUntil: Milliseconds = 0;
  #news: RoleNews = { kind: 'never-asked' };
  #answeredAt: Milliseconds | undefined;
  readonly #nudge = new Latest(0);
  #isDown = false;

  constructor(options: RoleWatchOptions) {
    this.#options = options;
  }

  /** Since when it is known that it left recovery under our eyes, on a new timeline, and takes writes. */
  get promotedSince(): Milliseconds | undefined {
    return this.#promotedSince;
  }

  /** The one that is written here; undefined while this is no primary. */
  get timeline(): number | undefined {
    return this.#inRecovery === false ? this.#timeline : undefined;
  }

  get news(): RoleNews {
    return this.#news;
  }

  /** When it was asked and answered, the last time. */
  get answeredAt(): Milliseconds | undefined {
    return this.#answeredAt;
  }

  get #inRecovery(): boolean | undefined {
    return this.#seen.value?.inRecovery;
  }

  /** The cluster manager knows of it: what this node was promoted to then says nothing of later. */
  settle(): void {
    this.#promotedSince = undefined;
    if (this.#inRecovery === false) this.#standbyTimeline = undefined;
  }

  /** Somebody is about to promote this node: look often until it happened, or a minute is over. */
  expectPromotion(): void {
    this.#hasteUntil = monotonic() + HASTE;
  }

  /** Its connection has ended, or there is another reason to ask at once. */
  now(): void {
    this.#nudge.set(this.#nudge.value + 1);
  }

  /** Waits until PostgreSQL is seen, from now on, to take writes. @returns what it said of itself then */
  async promoted(ms: Milliseconds, signal: AbortSignal): Promise<Probe | 'timed-out' | 'aborted'> {
    const end = monotonic() + ms;
    for (;;) {
      const why = await this.#seen.changed(Math.max(0, end - monotonic()), signal);
      if (why !== 'changed') return why;
      if (this.#seen.value?.takesWrites === true) return this.#seen.value;
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { value: nudges } = this.#nudge;
      const began = monotonic();
      try {
        await this.#ask(signal);
        this.#isDown = false;
      } catch (error) {
        // PostgreSQL is down: the cluster manager's business, and health_check says it.
        this.#promotedSince = undefined;
        this.#timeline = undefined;
        this.#news = { kind: 'silent', why: describeError(error) };
        this.#sayLost(error);
      }
      this.#options.onTurn?.();
      const now = monotonic();
      // Questions in haste must not keep the processors from the promotion that they are about.
      const haste = Math.min(IDLE_INTERVAL, Math.max(HASTE_INTERVAL, 2 * (now - began)));
      const interval = now < this.#hasteUntil ? haste : IDLE_INTERVAL;
      // That the connection ended is what the question has failed for, if it has.
      if (this.#nudge.value === nudges || this.#isDown) await this.#nudge.changed(interval, signal);
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { postgres } = this.#options;
    const at = monotonic();
    const { inRecovery: stillInRecovery } = await postgres.state(signal);
    this.#news = { kind: 'answered', inRecovery: stillInRecovery, at };
    this.#answeredAt = at;
    if (
      stillInRecovery === this.#inRecovery &&
      this.#timeline !== undefined &&
      (stillInRecovery || this.#promotedSince !== undefined || this.#standbyTimeline === undefined)
    ) {
      return;
    }
    const probe = await postgres.probe(signal);
    const { inRecovery, timeline, takesWrites } = probe;
    this.#timeline = timeline;
    if (inRecovery) {
      this.#standbyTimeline = timeline;
      this.#promotedSince = undefined;
    } else if (takesWrites && this.#standbyTimeline !== undefined) {
      this.#promotedSince = timeline > this.#standbyTimeline ? monotonic() : undefined;
      this.#hasteUntil = 0;
    }
    this.#tell(probe);
  }

  /** Clients of a primary that died are held by what their own proxies find: the sooner they look, the fewer errors. */
  #sayLost(error: unknown): void {
    if (this.#isDown || this.#inRecovery !== false || !hasCode(error, 'unavailable')) return;
    this.#isDown = true;
    this.#options.onLost?.();
  }

  #tell(probe: Probe): void {
    const { inRecovery, timeline } = probe;
    const changed = this.#inRecovery !== inRecovery;
    this.#seen.set(probe);
    if (!changed && this.#promotedSince === undefined) return;
    this.#options.log.info(events.roleChange, { role: inRecovery ? 'standby' : 'primary', timeline });
    this.#options.onChange();
  }
}
