import { no, OLDEST_HEARD, yes, type HealthAnswer } from '../domain/health.js';
import type { Route } from '../domain/route.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { formatDuration } from '../runtime/durations.js';
import type { RouteState, VerifiedRoute } from './route-state.js';

export interface ProxyKnowledge {
  readonly proxy: {
    readonly state: RouteState;
    readonly verified: { readonly value: VerifiedRoute | undefined };
    readonly published: Route | undefined;
    readonly verifiedAt: Milliseconds | undefined;
  };
  /** Why clients of this host's PgBouncers wait now. */
  readonly reasons: () => readonly string[];
}

/** How often the PgBouncers have to be looked at for that. */
export const LOOK_INTERVAL_FOR_ANSWERS: Milliseconds = 1_250;

/** So long a PgBouncer that cannot be reached may be silent until the proxy is not ready any more. */
const NOT_READY_AFTER: Milliseconds = 10_000;

/**
 * What this host's PgBouncers are to a load balancer before them. That their clients wait is no reason to send new
 * ones elsewhere: they would wait there, too, and here they go on as soon as they can.
 */
export class ProxyAnswers {
  readonly #known: ProxyKnowledge;

  constructor(known: ProxyKnowledge) {
    this.#known = known;
  }

  /** Whether every PgBouncer of this host was seen to lead to the published primary. */
  primary(): HealthAnswer {
    return this.#leads(OLDEST_HEARD);
  }

  /** Whether the primary is known here, and the PgBouncers can be reached. */
  ready(): HealthAnswer {
    return this.#leads(NOT_READY_AFTER);
  }

  #leads(oldest: Milliseconds): HealthAnswer {
    const { state, published, verified, verifiedAt } = this.#known.proxy;
    if (published === undefined) return no('no primary is known: etcd has told none yet');
    const to = `${published.address}, revision ${published.revision}`;
    const trouble = state.kind === 'failing' ? `: ${state.problems.join('; ')}` : '';
    if (verified.value?.route !== published) return no(`the PgBouncers do not lead to ${to} yet${trouble}`);
    if (verifiedAt === undefined) return no(`a PgBouncer does not lead to ${to} any more${trouble}`);
    const age = monotonic() - verifiedAt;
    if (age > oldest) {
      return no(
        `that the PgBouncers lead to ${to} was last seen ${formatDuration(Math.round(age))} ago${trouble}`,
      );
    }
    const reasons = this.#known.reasons();
    const waiting = reasons.length === 0 ? '' : `; clients wait: ${reasons.join(', ')}`;
    return yes(`every PgBouncer leads to ${to}${waiting}`);
  }
}
