import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Output } from '../domain/output.js';
import type { Route } from '../domain/route.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { withEither } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { Latest } from '../runtime/latest.js';
import { backoffDelay, type Backoff } from '../runtime/retry.js';
import type { Service } from '../runtime/service-group.js';
import { Complaints } from './complaints.js';
import type { RouteState } from './route-state.js';
import type { RouteViews } from './route-views.js';
import { tellStaleTemplate } from './stale-template.js';

export interface OutputKeeperOptions {
  readonly output: Output;
  /** What the proxy does about the newest route. */
  readonly states: Latest<RouteState>;
  readonly views: Pick<RouteViews, 'of'>;
  readonly log: Log;
  /** By default 1 s, doubling up to 1 min: each attempt runs the site's own commands. */
  readonly backoff?: Backoff;
  /** Between two looks whether standbys came or went; by default 3 s. */
  readonly lookInterval?: Milliseconds;
}

/** How an output is; for those who tell others of it. */
export interface OutputState {
  readonly name: string;
  /** The revision of the route that it was last brought to. */
  readonly revision: bigint | undefined;
  /** Empty when all is well. */
  readonly error: string;
}

const BACKOFF: Backoff = { min: 1_000, max: 60_000 };
const LOOK_INTERVAL: Milliseconds = 3_000;

/**
 * So long the PgBouncers' first attempt goes first: their clients wait for it in a switchover, and the commands of an output
 * take the processor from it.
 */
const COURTESY: Milliseconds = 300;

/** Keeps one output in line with the newest route, whatever becomes of the PgBouncers and of other outputs. */
export class OutputKeeper implements Service {
  readonly name: string;
  readonly state: Latest<OutputState>;
  readonly #options: OutputKeeperOptions;
  readonly #log: Log;
  readonly #complaints = new Complaints();

  constructor(options: OutputKeeperOptions) {
    const { name } = options.output;
    this.#options = options;
    this.name = `output ${name}`;
    this.state = new Latest<OutputState>({ name, revision: undefined, error: '' });
    this.#log = options.log.with({ output: name });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { states, lookInterval = LOOK_INTERVAL, backoff = BACKOFF } = this.#options;
    let attempt = 0;
    while (!signal.aborted) {
      const route = routeOf(states.value);
      if (route === undefined) {
        await states.changed(undefined, signal);
        continue;
      }
      if (isFirstAttempt(states.value)) await states.changed(COURTESY, signal);
      if (routeOf(states.value) !== route) continue;
      const delay = backoffDelay(attempt, backoff);
      const fine = await this.#untilOther(route, signal, (on) => this.#bring(route, delay, on));
      attempt = fine ? 0 : attempt + 1;
      if (await this.#waitForOther(route, fine ? lookInterval : delay, signal)) attempt = 0;
    }
  }

  /** @returns whether the output is as it should be */
  async #bring(route: Route, retryIn: Milliseconds, signal: AbortSignal): Promise<boolean> {
    const { output, views } = this.#options;
    const { name } = output;
    const view = views.of(route.address);
    const { revision } = route;
    try {
      if (!output.isCurrent(view)) {
        const { outcome, reloaded, staleTemplate } = await output.apply(view, signal);
        tellStaleTemplate(staleTemplate, this.#complaints, this.#log);
        if (outcome === 'written' || reloaded) {
          this.#log.info(events.outputApplied, { host: route.address, revision, outcome, reloaded });
        }
      }
      if (this.#complaints.settle('output')) this.#log.info(events.outputRecovered, { revision });
      if (this.state.value.revision !== revision || this.state.value.error !== '') {
        this.state.set({ name, revision, error: '' });
      }
      return true;
    } catch (thrown) {
      if (signal.aborted) return false;
      const error = describeError(thrown);
      if (this.#complaints.isNew('output', error)) {
        this.#log.error(events.outputError, { error, retry_in: formatDuration(retryIn) });
      }
      if (this.state.value.error !== error) this.state.set({ ...this.state.value, error });
      return false;
    }
  }

  /** Does `work` with a signal that a newer route aborts: a command that hangs must not keep it waiting. */
  async #untilOther(
    route: Route,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<boolean>,
  ): Promise<boolean> {
    const { states } = this.#options;
    const other = new AbortController();
    const done = new AbortController();
    const watch = async (): Promise<void> => {
      while ((await states.changed(undefined, done.signal)) === 'changed') {
        if (routeOf(states.value) !== route) other.abort(new PgcmError('aborted', 'a newer route is there'));
      }
    };
    const watching = watch();
    try {
      return await withEither(signal, other.signal, work);
    } finally {
      done.abort();
      await watching;
    }
  }

  /** @returns whether there is another route */
  async #waitForOther(route: Route, ms: Milliseconds, signal: AbortSignal): Promise<boolean> {
    const { states } = this.#options;
    const deadline = monotonic() + ms;
    while (routeOf(states.value) === route) {
      const left = deadline - monotonic();
      if (left <= 0 || (await states.changed(left, signal)) === 'aborted') return false;
    }
    return true;
  }
}

function routeOf(state: RouteState): Route | undefined {
  return state.kind === 'waiting' ? undefined : state.route;
}

function isFirstAttempt(state: RouteState): boolean {
  return state.kind === 'applying' && state.attempt === 0;
}
