import type { Bouncer } from '../domain/bouncer.js';
import type { BouncerConfig } from '../domain/bouncer-config.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { events, type EventName } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Route } from '../domain/route.js';
import type { RouteReading, RouteStore } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { withEither } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { Latest } from '../runtime/latest.js';
import { backoffDelay, type Backoff } from '../runtime/retry.js';
import { runServices, type Service } from '../runtime/service-group.js';
import { Tally } from '../runtime/tally.js';
import { Complaints } from './complaints.js';
import { Follower, type AfterReload, type Goal } from './follower.js';
import type { RouteState, VerifiedRoute } from './route-state.js';
import type { RouteViews } from './route-views.js';
import { tellStaleTemplate } from './stale-template.js';

export interface ProxyOptions {
  readonly routes: RouteStore;
  /** All of them read the one config file. */
  readonly bouncers: readonly Bouncer[];
  readonly config: BouncerConfig;
  /** What the config file is made of. */
  readonly views: Pick<RouteViews, 'of'>;
  readonly log: Log;
  /** The longest delay between two attempts (pgbouncer-retry-interval). */
  readonly retryInterval: Milliseconds;
  /** How often PgBouncers that lead to the route are looked at; by default every 3 s. */
  readonly lookInterval?: Milliseconds | undefined;
  /** The least time between two changes of the config file for other standbys alone; by default 3 s. */
  readonly standbyInterval?: Milliseconds;
  readonly afterReload?: AfterReload;
  /** Called at each turn of the loop that applies routes, also one that failed. */
  readonly onTurn?: (() => void) | undefined;
}

/**
 * A dependency that is back is used within 5 s: the delay stays below that, however long
 * pgbouncer-retry-interval is. An attempt costs a few milliseconds.
 */
const BACKOFF: Backoff = { min: 200, max: 3_000 };

/** One SHOW DATABASES each: short enough to notice a PgBouncer that restarted, and next to no work. */
const LOOK_INTERVAL: Milliseconds = 3_000;

/** Changes that arrive together, as in a switchover, become one RELOAD; and standbys that flap never many. */
const STANDBY_INTERVAL: Milliseconds = 3_000;

/** One for all: to make an error takes longer than it seems, and clients wait. */
const NEWER = new PgcmError('aborted', 'a newer route is there');

/** Keeps the PgBouncers of this host leading to the published route. */
export class RouteProxy implements Service {
  readonly name = 'proxy';
  /** For those who tell others of it. */
  readonly states = new Latest<RouteState>({ kind: 'waiting' });
  /** The last one; also while a newer one is being applied, or a bouncer is down. */
  readonly verified = new Latest<VerifiedRoute | undefined>(undefined);
  /** By bouncer. */
  readonly reloads: Tally;
  readonly failures = new Tally(['config', 'bouncer']);
  readonly #options: ProxyOptions;
  readonly #log: Log;
  readonly #wanted = new Latest<Route | undefined>(undefined);
  readonly #followers: readonly Follower[];
  readonly #backoff: Backoff;
  readonly #complaints = new Complaints();
  /** Ends the work on a route that is no longer the newest. */
  #turn = new AbortController();
  #generation = 0;
  #writtenAt: Milliseconds = Number.NEGATIVE_INFINITY;
  #publishedAt: Milliseconds | undefined;
  #ledAt: Milliseconds | undefined;
  #isAstray = false;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#log = options.log;
    this.reloads = new Tally(options.bouncers.map(({ name }) => name));
    this.#followers = options.bouncers.map((bouncer) => new Follower(bouncer, options.afterReload));
    this.#backoff = { min: BACKOFF.min, max: Math.min(options.retryInterval, BACKOFF.max) };
  }

  get state(): RouteState {
    return this.states.value;
  }

  /** The newest published route that is usable. */
  get published(): Route | undefined {
    return this.#wanted.value;
  }

  /** When it was first heard of, on the monotonic clock. */
  get publishedAt(): Milliseconds | undefined {
    return this.#publishedAt;
  }

  /** When every bouncer was last seen to lead to the route that was verified then; undefined: never. */
  get ledAt(): Milliseconds | undefined {
    return this.#ledAt;
  }

  /** The same; undefined also when one did not at the last look. */
  get verifiedAt(): Milliseconds | undefined {
    return this.#isAstray ? undefined : this.#ledAt;
  }

  /** How often the config file was written anew. */
  get writes(): number {
    return this.#generation;
  }

  /** Runs until the signal is aborted. No trouble of etcd, PgBouncer or the disk ends it. */
  async run(signal: AbortSignal): Promise<void> {
    const { routes } = this.#options;
    const [failure] = await runServices(
      [
        {
          name: `following ${routes.key}`,
          run: (on) => routes.follow((reading) => this.#onReading(reading), on),
        },
        { name: 'applying routes', run: (on) => this.#applyForever(on) },
      ],
      signal,
    );
    if (failure !== undefined) throw failure.error;
  }

  #onReading(reading: RouteReading): void {
    const { key } = this.#options.routes;
    if (reading.kind === 'missing') {
      this.#log.warn(events.routeKept, { key }, `nothing is published: ${this.#keeping()}`);
    } else if (reading.kind === 'bad') {
      const { why: error, revision } = reading;
      this.#log.error(events.routeRefused, { key, revision, error }, `refused: ${this.#keeping()}`);
    } else {
      this.#onRoute(reading.route);
    }
  }

  #onRoute(route: Route): void {
    const current = this.#wanted.value;
    if (current !== undefined && route.revision <= current.revision) {
      if (route.revision < current.revision) {
        this.#log.warn(events.staleRevision, { revision: route.revision, newest: current.revision });
      }
      return;
    }
    this.#publishedAt = monotonic();
    this.#wanted.set(route);
    this.#turn.abort(NEWER);
  }

  #keeping(): string {
    const address = this.#wanted.value?.address;
    return address === undefined ? 'PgBouncer stays as it is' : `clients go on being led to ${address}`;
  }

  async #applyForever(signal: AbortSignal): Promise<void> {
    let attempt = 0;
    const { lookInterval = LOOK_INTERVAL, onTurn } = this.#options;
    while (!signal.aborted) {
      onTurn?.();
      const route = this.#wanted.value;
      if (route === undefined) {
        await this.#wanted.changed(lookInterval, signal);
        continue;
      }
      this.#turn = new AbortController();
      const number = attempt;
      const fine = await withEither(signal, this.#turn.signal, (on) => this.#attempt(route, number, on));
      attempt = fine ? 0 : attempt + 1;
      // A set that happened during the attempt is not reported by the wait below.
      if (this.#wanted.value !== route) {
        attempt = 0;
        continue;
      }
      const delay = fine ? lookInterval : backoffDelay(attempt - 1, this.#backoff);
      if ((await this.#wanted.changed(delay, signal)) === 'changed') attempt = 0;
    }
  }

  /** @returns whether every bouncer leads to the route */
  async #attempt(route: Route, number: number, signal: AbortSignal): Promise<boolean> {
    const before = this.states.value;
    const looked = monotonic();
    if (before.kind === 'applied' && before.route === route && (await this.#isInPlace(before, signal))) {
      this.#ledAt = looked;
      return true;
    }
    this.states.set({ kind: 'applying', route, attempt: number });
    const attempt: Attempt = { signal, retryIn: backoffDelay(number, this.#backoff), problems: [] };
    const started = monotonic();
    const goal = await this.#try(attempt, 'config', this.#options.config.name, () =>
      this.#writeConfig(route, signal),
    );
    if (goal !== undefined) {
      const bring = (follower: Follower): Promise<unknown> =>
        this.#try(attempt, 'bouncer', follower.bouncer.name, () => this.#bring(follower, goal, signal));
      await Promise.all(this.#followers.map(bring));
    }
    // Given up for a newer route, or at the end: neither done nor failed.
    if (signal.aborted) return false;
    if (goal === undefined || attempt.problems.length > 0) {
      this.states.set({ kind: 'failing', route, attempt: number, problems: attempt.problems });
      return false;
    }
    this.#ledAt = started;
    this.#isAstray = false;
    // The same one still: who is told of it has nothing to write.
    if (this.verified.value?.route !== route) this.verified.set({ route, at: new Date().toISOString() });
    this.states.set({ kind: 'applied', route, goal });
    this.#log.info(events.routeApplied, {
      host: route.address,
      revision: route.revision,
      elapsed: formatDuration(Math.round(monotonic() - started)),
    });
    return true;
  }

  async #isInPlace({ route, goal }: RouteState & { kind: 'applied' }, signal: AbortSignal): Promise<boolean> {
    const { config, views, standbyInterval = STANDBY_INTERVAL } = this.#options;
    const mayChange = monotonic() - this.#writtenAt >= standbyInterval;
    if (mayChange && !config.isCurrent(views.of(route.address))) return false;
    return await this.#allLead(goal, signal);
  }

  async #allLead(goal: Goal, signal: AbortSignal): Promise<boolean> {
    const looks = this.#followers.map((follower) => follower.look(goal, signal).catch(describeError));
    const allLead = (await Promise.all(looks)).every((astray) => astray === undefined);
    this.#isAstray = !allLead;
    return allLead;
  }

  async #writeConfig({ address }: Route, signal: AbortSignal): Promise<Goal> {
    const { config, views } = this.#options;
    const { outcome, leads, staleTemplate } = await config.write(views.of(address), signal);
    if (outcome === 'written') {
      this.#generation += 1;
      this.#writtenAt = monotonic();
    }
    tellStaleTemplate(staleTemplate, this.#complaints, this.#log);
    return { address, leads, generation: this.#generation };
  }

  async #bring(follower: Follower, goal: Goal, signal: AbortSignal): Promise<void> {
    if ((await follower.bring(goal, signal)) === 'reloaded') {
      this.reloads.add(follower.bouncer.name);
      this.#log.info(events.pgbouncerReload, { host: goal.address, bouncer: follower.bouncer.name });
    }
  }

  /** The work's result; undefined when it failed, which is told when the reason is a new one. */
  async #try<T>(
    { signal, retryIn, problems }: Attempt,
    part: keyof typeof TROUBLE,
    subject: string,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      const result = await work();
      this.#complaints.settle(subject);
      return result;
    } catch (error) {
      // Interrupted: nothing is wrong.
      if (signal.aborted && hasCode(error, 'aborted')) return undefined;
      const reason = describeError(error);
      problems.push(reason);
      this.failures.add(part);
      if (this.#complaints.isNew(subject, reason)) {
        this.#log.error(TROUBLE[part], { error: reason, retry_in: formatDuration(retryIn) });
      }
      return undefined;
    }
  }
}

const TROUBLE = {
  config: events.routeError,
  bouncer: events.pgbouncerError,
} as const satisfies Record<string, EventName>;

interface Attempt {
  readonly signal: AbortSignal;
  /** Until the next attempt, should this one fail. */
  readonly retryIn: Milliseconds;
  readonly problems: string[];
}

export function createProxy(options: ProxyOptions): RouteProxy {
  return new RouteProxy(options);
}
