import type { BouncerInspection } from './inspection.js';
import type { Revision } from './route.js';
import type { Milliseconds } from './time.js';

/**
 * A switchover's request that every proxy hold its clients. It lives under the run's lock, so it ends
 * with the run.
 *
 *     pause    hold the clients, and say so
 *     release  let them go on once the applied route is of `release` or later
 *     abort    let them go on where they are
 */
export interface PauseRequest {
  /** The switchover's id. */
  readonly id: string;
  readonly phase: 'pause' | 'release' | 'abort';
  /** With `release`: the revision of the route that clients must be led by; else undefined. */
  readonly release: Revision | undefined;
  /** From when a proxy first saw this id, on its own clock. */
  readonly duration: Milliseconds | 'never';
  /** How long a bouncer may wait for open transactions. */
  readonly timeout: Milliseconds;
}

/** What a proxy does about the request of a switchover. */
export type ProxyPause =
  | { readonly kind: 'running' }
  | { readonly kind: 'paused'; readonly request: string }
  /** Its clients run; why the pause did not come about. */
  | { readonly kind: 'failed'; readonly request: string; readonly error: string };

/** Whether clients wait because the primary takes none; `over`: they did, for too long. See HoldState. */
export type ProxyHold = { readonly kind: 'none' } | { readonly kind: 'held' | 'over'; readonly why: string };

/** What a proxy says of itself, under its lease. */
export interface ProxyState {
  /** proxy-id: stays the same over restarts. */
  readonly id: string;
  readonly host: string;
  /** A new one with every start. */
  readonly instance: string;
  readonly version: string;
  /** The route that all of its bouncers were verified to lead to; undefined before the first. */
  readonly route:
    { readonly address: string; readonly revision: Revision; readonly appliedAt: string } | undefined;
  readonly pause: ProxyPause;
  readonly hold: ProxyHold;
  /** Clients that waited at the last look, and the longest wait of the last pause. */
  readonly clientsWaiting: number;
  readonly longestWait: Milliseconds;
  readonly bouncers: readonly BouncerInspection[];
  /** What it cannot do now; empty when all is well. */
  readonly error: string;
}

/** A proxy that has been here; it may have vanished since. */
export interface SeenProxy {
  readonly id: string;
  readonly host: string;
  /** RFC 3339, when it last registered. */
  readonly since: string;
}

/** One finding of the checks. */
export interface Finding {
  /** forbids: nothing overrides it. overridable: --force does. notice: for the reader. */
  readonly weight: 'forbids' | 'overridable' | 'notice';
  /** A stable word for programs, such as `no-quorum`, `lag`, `stale-proxy`. */
  readonly kind: string;
  /** On which host or about whom; empty for the cluster. */
  readonly subject: string;
  readonly text: string;
  /** What to do about it; empty for a notice without one. */
  readonly wayOut: string;
}

export interface StepReport {
  readonly name: string;
  readonly ms: Milliseconds;
  /** Empty when it succeeded. */
  readonly error: string;
}

/** The words for `outcome`. */
export const switchoverOutcomes = [
  'done',
  'refused',
  'rolled-back',
  'interrupted',
  'failed-after-move',
  'cleanup-left',
  'unexpected',
] as const;

/** What a switchover did, also a failed one. */
export interface SwitchoverReport {
  readonly id: string;
  /** Where the command ran, and its pid. */
  readonly host: string;
  readonly pid: number;
  /** RFC 3339; for people. */
  readonly startedAt: string;
  readonly elapsed: Milliseconds;
  readonly outcome: string;
  /** The exit status. */
  readonly status: number;
  /** What is true now. */
  readonly message: string;
  readonly from: { readonly name: string; readonly address: string } | undefined;
  readonly to: { readonly name: string; readonly address: string } | undefined;
  readonly steps: readonly StepReport[];
  readonly findings: readonly Finding[];
  /** Whether --force was given: then the overridable ones among the findings were overridden. */
  readonly forced: boolean;
  /** From the first PAUSE asked for to the last acknowledged release; 0 when nothing was paused. */
  readonly pause: Milliseconds;
  /** The longest wait of a client that a bouncer saw; undefined when none told. */
  readonly longestWait: Milliseconds | undefined;
}

/** What supervise publishes of the cluster; only on change. */
export interface PublishedTopology {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly members: readonly PublishedMember[];
  /** Whether there is a primary that works, and since when (RFC 3339). */
  readonly primary: { readonly state: 'up' | 'lost'; readonly name: string; readonly since: string };
}

export interface PublishedMember {
  readonly name: string;
  readonly address: string;
  readonly role: 'primary' | 'standby' | 'stopped' | 'unknown';
  readonly syncState: 'sync' | 'potential' | 'async' | 'unknown';
  /** Bytes; undefined when it is not known. Rounded, so that it changes seldom. */
  readonly lag: number | undefined;
  readonly up: boolean;
}

/** What a node's supervise says of itself, under its lease. */
export interface NodeState {
  readonly name: string;
  /** host:port of its API, as it announces itself. */
  readonly api: string;
  readonly version: string;
  /** RFC 3339. */
  readonly since: string;
}

/** What a switchover would do now: the answer of --dry-run. */
export interface SwitchoverPlan {
  /** The exit status: whether it would be refused. */
  readonly status: number;
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** In order; empty when it would be refused. */
  readonly steps: readonly { readonly name: string; readonly text: string }[];
  /** Those because of which it would be refused. */
  readonly refusals: readonly Finding[];
  /** The others. */
  readonly findings: readonly Finding[];
  /** How long clients would wait; undefined: no earlier switchover tells. */
  readonly expected: ExpectedPause | undefined;
}

/** How long clients waited in the last switchovers. */
export interface ExpectedPause {
  readonly median: Milliseconds;
  readonly longest: Milliseconds;
  /** How many switchovers tell. */
  readonly count: number;
}
