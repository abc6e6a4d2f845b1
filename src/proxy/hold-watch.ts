import type { Address } from '../domain/address.js';
import { describeError, hasCode } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { HoldState } from '../domain/hold.js';
import type { Log } from '../domain/log.js';
import type { Revision, Route } from '../domain/route.js';
import type { LifeProbe, ProbeFinding } from '../domain/route-probe.js';
import type { ProxyPause } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import type { PauseKeeper } from '../pausing/pause-keeper.js';
import { monotonic } from '../runtime/clock.js';
import { withEither } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { anyChanged, anyChangedWithin, Latest } from '../runtime/latest.js';
import { retryForever, type Backoff } from '../runtime/retry.js';
import type { Service } from '../runtime/service-group.js';
import { Tally } from '../runtime/tally.js';
import { Complaints } from './complaints.js';
import { ProbeTrust } from './probe-trust.js';
import type { VerifiedRoute } from './route-state.js';

export interface HoldWatchOptions {
  readonly verified: Latest<VerifiedRoute | undefined>;
  readonly keeper: Pick<PauseKeeper, 'hold' | 'release' | 'news'>;
  /** What a switchover has this proxy do: while it pauses, it knows better. */
  readonly pause: Latest<ProxyPause>;
  readonly probe: LifeProbe;
  /** Whether the primary's own supervise, or that of another node, says that it is lost. */
  readonly isLost: () => boolean;
  /** Ends what hangs on a host. Never rejects. */
  readonly cut: (address: Address, signal: AbortSignal) => Promise<void>;
  /** probe-interval */
  readonly interval: Milliseconds;
  /** hold-timeout; 0: clients are never held. */
  readonly timeout: Milliseconds;
  readonly log: Log;
}

/** How a hold ends: by a new route, because the primary takes clients again, or by hold-timeout. */
export type HoldOutcome = 'route' | 'recovered' | 'over';

/** The keeper's name for it. */
export const HOLD = 'hold';

/** Between two probes while clients are held. */
const HASTE: Milliseconds = 100;

/** Between two tries to let them go. */
const BACKOFF: Backoff = { min: HASTE, max: HASTE };

/**
 * Lets clients wait while the primary that they follow takes none, in place of having PgBouncer answer them with
 * errors until long after the new one is there. What it goes by is its own probe: whatever else
 * sounds like trouble only has it probe at once, so that a false alarm costs a probe and not a pause.
 */
export class HoldWatch implements Service {
  readonly name = 'hold';
  readonly state = new Latest<HoldState>({ kind: 'none' });
  /** How holds have ended since the start. */
  readonly counts = new Tally<HoldOutcome>(['route', 'recovered', 'over']);
  readonly #options: HoldWatchOptions;
  readonly #log: Log;
  readonly #suspicions = new Latest(0);
  readonly #complaints = new Complaints();
  readonly #trust: ProbeTrust;
  /** Since when others let clients wait for this route's primary; undefined since it was well. */
  #waited: { readonly since: Milliseconds; readonly revision: Revision } | undefined;
  /** The route whose primary was lost; undefined while no hold is, or was in vain. */
  #lost: Route | undefined;
  /** The route of the last turn: no other one's while others hold the clients. */
  #followed: Route | undefined;
  /** Findings of silence in a row, up to when what hangs there was ended. */
  #silences = 0;

  constructor(options: HoldWatchOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#trust = new ProbeTrust(options.log);
  }

  /** Something sounds like trouble with the primary: looks at once. */
  suspect(): void {
    this.#suspicions.set(this.#suspicions.value + 1);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { verified, keeper, pause } = this.#options;
    while (!signal.aborted) {
      const { value: suspicions } = this.#suspicions;
      const route = verified.value?.route;
      if (route === undefined || this.#isBusy()) {
        if (route !== undefined) this.#noteWait(this.#followed ?? route);
        await anyChanged([verified, keeper.news, pause], signal);
        continue;
      }
      await this.#turn(route, signal);
      // What changed meanwhile is not reported by the wait below.
      const isOld = this.#suspicions.value !== suspicions || verified.value?.route !== route;
      if (isOld || this.#isBusy()) continue;
      await anyChangedWithin([this.#suspicions, verified, keeper.news, pause], this.#delay, signal);
    }
  }

  #noteWait({ revision }: Route): void {
    if (this.#waited?.revision !== revision) this.#waited = { since: monotonic(), revision };
  }

  /** Others hold the clients, for a reason of their own. */
  #isBusy(): boolean {
    const { keeper, pause } = this.#options;
    return pause.value.kind === 'paused' || keeper.news.value.reasons.some((reason) => reason !== HOLD);
  }

  get #delay(): Milliseconds {
    return this.state.value.kind === 'held' ? HASTE : this.#options.interval;
  }

  async #turn(route: Route, signal: AbortSignal): Promise<void> {
    await this.#follow(route, signal);
    this.#lookForEnd();
    const finding = await this.#find(route, signal);
    // A newer route is there, or a switchover has begun: what was found says nothing of them.
    if (finding === undefined || this.#options.verified.value?.route.revision !== route.revision) return;
    if (this.#isBusy()) return;
    const isBelieved = this.#trust.see(route.address, finding);
    this.#silences = finding.kind === 'silent' ? this.#silences + 1 : 0;
    if (isIll(finding)) {
      if (isBelieved) await this.#onTrouble(route, finding, signal);
      return;
    }
    this.#waited = undefined;
    // A login says little of a PostgreSQL that is being restarted, as a standby at first.
    if (finding.kind === 'writes' || !this.#options.isLost()) await this.#recovered(route, signal);
  }

  /** @returns undefined when another route came meanwhile, or at the end */
  async #find({ address }: Route, signal: AbortSignal): Promise<ProbeFinding | undefined> {
    const { verified, pause, probe } = this.#options;
    const changed = new AbortController();
    const takeBacks = [verified, pause].map((latest) => latest.onNext(() => changed.abort()));
    try {
      return await withEither(signal, changed.signal, (on) => probe.find(address, on));
    } catch (error) {
      if (hasCode(error, 'aborted') || signal.aborted) return undefined;
      throw error;
    } finally {
      for (const takeBack of takeBacks) takeBack();
    }
  }

  async #onTrouble(route: Route, { why }: Trouble, signal: AbortSignal): Promise<void> {
    const { keeper, timeout, log } = this.#options;
    if (this.state.value.kind === 'held') this.#endWhatHangs(route, signal);
    if (this.state.value.kind !== 'none' || timeout === 0) return;
    // In a switchover that did not come to its end they have waited already.
    const since = this.#waited?.revision === route.revision ? this.#waited.since : monotonic();
    this.#lost = route;
    if (monotonic() >= since + timeout) {
      this.#over(since, why);
      return;
    }
    try {
      await keeper.hold(HOLD, { timeout: 'none', endsAt: since + timeout }, route.address, signal);
    } catch (thrown) {
      this.#lost = undefined;
      const error = describeError(thrown);
      if (!signal.aborted && this.#complaints.isNew('hold', error)) log.error(events.holdFailed, { error });
      return;
    }
    // Not before it is true: others read it.
    this.state.set({ kind: 'held', since, why });
    this.#complaints.settle('hold');
    log.warn(
      events.holdBegin,
      {
        address: route.address,
        why,
        at_most: formatDuration(Math.round(Math.max(0, since + timeout - monotonic()))),
      },
      'the primary takes no clients: they wait for it, or for another one',
    );
  }

  /**
   * Not with the first silence, as of a host that stalled for a moment: to wait costs clients nothing but time, to be
   * cut off an error each.
   */
  #endWhatHangs({ address }: Route, signal: AbortSignal): void {
    if (this.#silences < 2) return;
    this.#silences = Number.NEGATIVE_INFINITY;
    void this.#options.cut(address, signal);
  }

  async #recovered({ address }: Route, signal: AbortSignal): Promise<void> {
    const { kind } = this.state.value;
    if (kind === 'none') return;
    if (kind === 'held') await this.#letGo(signal);
    this.#end('recovered', address);
  }

  /**
   * A new route ends a hold. And unless a switchover has led here, which leaves nothing open on the old primary, what
   * is open there is ended: an old primary that is cut off from its peers, but not from this host, would go on with it.
   */
  async #follow(route: Route, signal: AbortSignal): Promise<void> {
    const { value: state } = this.state;
    const old = this.#followed;
    if (old?.revision === route.revision) return;
    const wasLost = this.#lost !== undefined;
    const isPlanned = !wasLost && this.#waited?.revision === old?.revision;
    this.#followed = route;
    this.#silences = 0;
    if (state.kind === 'held') await this.#letGo(signal);
    if (wasLost) this.#end('route', route.address);
    if (old !== undefined && old.address !== route.address && !isPlanned)
      void this.#options.cut(old.address, signal);
  }

  #end(outcome: Exclude<HoldOutcome, 'over'>, address: Address): void {
    const { value: state } = this.state;
    this.#lost = undefined;
    this.state.set({ kind: 'none' });
    if (state.kind === 'held') this.counts.add(outcome);
    const held = state.kind === 'none' ? 0 : monotonic() - state.since;
    this.#log.info(events.holdEnd, {
      outcome,
      address,
      was: state.kind,
      elapsed: formatDuration(Math.round(held)),
    });
  }

  /** The keeper has let them go by itself, or does so at this moment. */
  #lookForEnd(): void {
    const { value: state } = this.state;
    if (state.kind === 'held' && monotonic() >= state.since + this.#options.timeout)
      this.#over(state.since, state.why);
  }

  #over(since: Milliseconds, why: string): void {
    this.state.set({ kind: 'over', since, why });
    this.counts.add('over');
    this.#log.error(
      events.holdEnd,
      { outcome: 'over', address: this.#lost?.address, why, elapsed: formatDuration(this.#options.timeout) },
      'no primary came within hold-timeout: clients run, and meet the errors of PgBouncer',
    );
  }

  /** Tries until they go: clients that wait for nothing are an outage. */
  async #letGo(signal: AbortSignal): Promise<void> {
    const { keeper, log } = this.#options;
    const work = async (): Promise<void> => {
      // Not cut short: a RESUME that was decided on is done.
      await keeper.release(HOLD, new AbortController().signal);
      this.#complaints.settle('release');
    };
    await retryForever(work, BACKOFF, signal, (thrown) => {
      const error = describeError(thrown);
      if (this.#complaints.isNew('release', error)) log.error(events.holdFailed, { error });
    });
  }
}

type Trouble = Extract<ProbeFinding, { readonly why: string }>;

function isIll(finding: ProbeFinding): finding is Trouble {
  return 'why' in finding;
}
