import type { ClusterManager, Topology } from '../domain/cluster.js';
import type { RouteReading } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { Latest } from '../runtime/latest.js';
import type { Service } from '../runtime/service-group.js';
import type { Addresses } from './addresses.js';

export interface LookerOptions {
  readonly manager: Pick<ClusterManager, 'look'>;
  readonly addresses: Addresses;
  /** The published route as it is known now. */
  readonly published: () => RouteReading | undefined;
  /** Between two looks while nothing happens (pacemaker-poll-interval). */
  readonly pollInterval: Milliseconds;
  readonly onLook: (look: Look) => void;
}

/** One look at the cluster manager, with what a writer needs to know of when it was taken. */
export interface Look {
  readonly began: Milliseconds;
  /**
   * The published route as it was known before the look, and with which a write compares: so a view from
   * before somebody else's write can never be published over it, however long this process was frozen.
   */
  readonly before: RouteReading | undefined;
  readonly outcome:
    | { readonly kind: 'seen'; readonly topology: Topology }
    | { readonly kind: 'failed'; readonly error: unknown };
}

/**
 * How often it looks.
 *     calm       every poll interval
 *     expecting  this node is about to be promoted: a young look must be at hand in the moment it is
 *     settling   it was: until the route is published every millisecond counts for clients that wait
 */
type Pace = 'calm' | 'expecting' | 'settling';

const EXPECTING: { readonly interval: Milliseconds; readonly span: Milliseconds } = {
  interval: 250,
  span: 30_000,
};
const SETTLING: { readonly interval: Milliseconds; readonly span: Milliseconds } = {
  interval: 30,
  span: 10_000,
};

/** A move takes less, and is followed by a look as soon as its route is there. One that goes wrong is looked at. */
const REST: { readonly span: Milliseconds; readonly awakeAfter: Milliseconds } = {
  span: 2_000,
  awakeAfter: 10_000,
};

/** Long enough for the proxies to have applied a new route before the machine starts programs again. */
const SOON: Milliseconds = 250;

/** Looks at the cluster manager over and over, at the pace that the moment needs. */
export class Looker implements Service {
  readonly name = 'looking';
  readonly #options: LookerOptions;
  /** Set to look at once. */
  readonly #nudge = new Latest(0);
  #expectingUntil: Milliseconds = 0;
  #settlingUntil: Milliseconds = 0;
  #restingUntil: Milliseconds = Number.NEGATIVE_INFINITY;
  #last: Look | undefined;
  #lookedAt: Milliseconds | undefined;
  #soon: NodeJS.Timeout | undefined;

  constructor(options: LookerOptions) {
    this.#options = options;
  }

  /** The newest look, if it succeeded and began no longer ago than `age`. */
  recent(age: Milliseconds): Topology | undefined {
    const look = this.#last;
    return look?.outcome.kind === 'seen' && monotonic() - look.began <= age
      ? look.outcome.topology
      : undefined;
  }

  /** When the newest look that succeeded began. */
  get lookedAt(): Milliseconds | undefined {
    return this.#lookedAt;
  }

  /** Somebody is about to promote this node. */
  expect(): void {
    const calm = this.#pace() === 'calm';
    this.#expectingUntil = monotonic() + EXPECTING.span;
    if (calm) this.now();
  }

  /** Something changed: looks at once, and often for a while. */
  hurry(): void {
    this.#expectingUntil = 0;
    this.#settlingUntil = monotonic() + SETTLING.span;
    this.now();
  }

  /** What changed is known and published. */
  settle(): void {
    this.#settlingUntil = 0;
  }

  /** A move is under way, and something else tells of its end: no calm look takes the processors from it. */
  rest(): void {
    const now = monotonic();
    if (now >= this.#restingUntil + REST.awakeAfter) this.#restingUntil = now + REST.span;
  }

  /** Looks at once. */
  now(): void {
    this.#nudge.set(this.#nudge.value + 1);
  }

  /** Looks a moment later: clients wait for what a look would take from the machine now. */
  soon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.now();
    }, SOON);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const nudges = this.#nudge.value;
      const began = monotonic();
      await this.#look(signal);
      // A look is a program that starts. Where that takes long it would take the processors from the promotion it waits for.
      const took = Math.min(monotonic() - began, this.#options.pollInterval);
      const pause = Math.max(this.#interval(), took);
      // News that came during the look are younger than it, and the wait would not tell of them.
      if (this.#nudge.value === nudges) await this.#pause(nudges, pause, signal);
    }
    clearTimeout(this.#soon);
  }

  /** Until the next look is due, which may be put off meanwhile, or something changed. */
  async #pause(nudges: number, ms: Milliseconds, signal: AbortSignal): Promise<void> {
    const due = monotonic() + ms;
    for (;;) {
      const left = (this.#pace() === 'calm' ? Math.max(due, this.#restingUntil) : due) - monotonic();
      if (left <= 0 || signal.aborted || this.#nudge.value !== nudges) return;
      await this.#nudge.changed(left, signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { manager, published, addresses } = this.#options;
    const before = published();
    const began = monotonic();
    try {
      const topology = await manager.look(signal);
      this.#tell({ began, before, outcome: { kind: 'seen', topology } });
      const names = topology.members.map(({ name }) => name);
      if (this.#pace() === 'calm') await addresses.refresh(names, signal);
    } catch (error) {
      // Interrupted: nothing is wrong.
      if (!signal.aborted) this.#tell({ began, before, outcome: { kind: 'failed', error } });
    }
  }

  #tell(look: Look): void {
    this.#last = look;
    if (look.outcome.kind === 'seen') this.#lookedAt = look.began;
    this.#options.onLook(look);
  }

  #interval(): Milliseconds {
    const { pollInterval } = this.#options;
    switch (this.#pace()) {
      case 'calm':
        return pollInterval;
      case 'expecting':
        return Math.min(EXPECTING.interval, pollInterval);
      case 'settling':
        return Math.min(SETTLING.interval, pollInterval);
    }
  }

  #pace(): Pace {
    const now = monotonic();
    if (now < this.#settlingUntil) return 'settling';
    return now < this.#expectingUntil ? 'expecting' : 'calm';
  }
}
