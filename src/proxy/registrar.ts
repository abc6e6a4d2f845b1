import { isDeepStrictEqual } from 'node:util';
import type { Bouncer, PauseScope } from '../domain/bouncer.js';
import type { HoldState } from '../domain/hold.js';
import type { Registration } from '../domain/stores.js';
import type { ProxyHold, ProxyPause, ProxyState } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { inspectBouncer, type BouncerLook } from '../pausing/inspect-bouncer.js';
import type { PauseNews } from '../pausing/pause-keeper.js';
import { sleep, untilAborted } from '../runtime/deadline.js';
import { untilIdle } from '../runtime/idle.js';
import { anyChanged, Latest } from '../runtime/latest.js';
import { runServices, type Service } from '../runtime/service-group.js';
import type { RouteState, VerifiedRoute } from './route-state.js';

export interface RegistrarOptions {
  readonly registration: Registration<ProxyState>;
  readonly identity: Pick<ProxyState, 'id' | 'host' | 'instance' | 'version'>;
  readonly routes: {
    readonly states: Latest<RouteState>;
    readonly verified: Latest<VerifiedRoute | undefined>;
  };
  readonly requests: { readonly pause: Latest<ProxyPause>; readonly ready: Promise<void> };
  readonly keeper: { readonly news: Latest<PauseNews> };
  readonly hold: Latest<HoldState>;
  readonly bouncers: readonly Bouncer[];
  readonly follows: () => PauseScope;
  /** For one look at a bouncer (pgbouncer-timeout). */
  readonly timeout: Milliseconds;
  /** Between two looks; by default 10 s. */
  readonly lookInterval?: Milliseconds;
  /** How long news of a pause that goes on may wait to be told; by default 100 ms. */
  readonly leisure?: Milliseconds;
}

const LEISURE: Milliseconds = 100;
/** How long what nobody waits for may wait for the other work of this process. */
const PATIENCE: Milliseconds = 500;

const LOOK_INTERVAL: Milliseconds = 10_000;

/** Says in etcd what this proxy is and does. Nothing is written while nothing changes. */
export class Registrar implements Service {
  readonly name = 'registrar';
  readonly #options: RegistrarOptions;
  readonly #looks = new Latest<readonly BouncerLook[]>([]);
  #told: ProxyState | undefined;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { registration, requests } = this.#options;
    const [failure] = await runServices(
      [
        { name: 'looking at the bouncers', run: (on) => this.#lookForever(on) },
        {
          name: registration.name,
          run: async (on) => {
            // Who is registered in the middle of a switchover is paused, or says why not.
            await Promise.race([requests.ready, untilAborted(on)]);
            await Promise.all([this.#tellForever(on), registration.run(on)]);
          },
        },
      ],
      signal,
    );
    if (failure !== undefined) throw failure.error;
  }

  async #lookForever(signal: AbortSignal): Promise<void> {
    const { bouncers, follows, timeout, keeper, lookInterval = LOOK_INTERVAL } = this.#options;
    while (!signal.aborted) {
      // During a pause the keeper looks itself, and nothing must stand before the RESUME.
      if (keeper.news.value.reasons.length === 0) {
        this.#looks.set(
          await Promise.all(bouncers.map((one) => inspectBouncer(one, follows, timeout, signal))),
        );
      }
      await sleep(lookInterval, signal);
    }
  }

  async #tellForever(signal: AbortSignal): Promise<void> {
    const { routes, requests, keeper, hold, leisure = LEISURE } = this.#options;
    while (!signal.aborted) {
      let state = this.#state();
      if (this.#told === undefined || !isSame(state, this.#told)) {
        if (this.#isPaused()) await requests.pause.changed(leisure, signal);
        else if (!this.#isAwaited(state)) await untilIdle(PATIENCE);
        state = this.#state();
        this.#told = state;
        this.#options.registration.set(state);
      }
      await anyChanged(
        [routes.states, routes.verified, requests.pause, keeper.news, hold, this.#looks],
        signal,
      );
    }
  }

  /** A switchover waits to hear it. Of a route nobody does: to lead clients there comes first, of all proxies of this process. */
  #isAwaited({ pause }: ProxyState): boolean {
    return this.#told === undefined || !isDeepStrictEqual(pause, this.#told.pause);
  }

  /** It has said so. Next everybody waits to hear that clients run: the rest is told with that, or a moment later. */
  #isPaused(): boolean {
    return this.#told?.pause.kind === 'paused' && this.#options.requests.pause.value.kind === 'paused';
  }

  #state(): ProxyState {
    const { identity, routes, requests, keeper, hold } = this.#options;
    const { value: verified } = routes.verified;
    const { value: news } = keeper.news;
    const isPaused = news.reasons.length > 0;
    const looks = this.#looks.value;
    const waiting = looks.reduce((sum, look) => sum + look.clientsWaiting, 0);
    return {
      ...identity,
      route: verified && {
        address: verified.route.address,
        revision: verified.route.revision,
        appliedAt: verified.at,
      },
      pause: requests.pause.value,
      hold: heldBy(hold.value),
      clientsWaiting: isPaused ? news.clientsWaiting : waiting,
      // It is told when it is known: at the end of the pause.
      longestWait: isPaused ? (this.#told?.longestWait ?? 0) : news.longestWait,
      bouncers: looks.map((look) => look.inspection),
      error: troubleOf(routes.states.value),
    };
  }
}

/** How long it lasts is for whoever sees it change: the time is this process's own. */
function heldBy(state: HoldState): ProxyHold {
  return state.kind === 'none' ? { kind: 'none' } : { kind: state.kind, why: state.why };
}

function troubleOf(state: RouteState): string {
  return state.kind === 'failing' ? state.problems.join('; ') : '';
}

/** How many clients wait changes all the time; whether any does is worth a write. */
function isSame(one: ProxyState, other: ProxyState): boolean {
  const told = (state: ProxyState): unknown => ({ ...state, clientsWaiting: state.clientsWaiting > 0 });
  return isDeepStrictEqual(told(one), told(other));
}
