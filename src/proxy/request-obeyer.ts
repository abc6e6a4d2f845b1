import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { RouteProbe } from '../domain/route-probe.js';
import type { PauseRequests } from '../domain/stores.js';
import type { PauseRequest, ProxyPause } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import type { PauseKeeper } from '../pausing/pause-keeper.js';
import type { PauseReason } from '../pausing/pause-reasons.js';
import { monotonic } from '../runtime/clock.js';
import { sleep, withEither } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { anyChanged, Latest } from '../runtime/latest.js';
import { runServices, type Service } from '../runtime/service-group.js';
import { Complaints } from './complaints.js';
import type { VerifiedRoute } from './route-state.js';
import { SeenRequests } from './seen-requests.js';

export interface RequestObeyerOptions {
  readonly requests: PauseRequests;
  readonly keeper: Pick<PauseKeeper, 'hold' | 'release' | 'news'>;
  readonly verified: Latest<VerifiedRoute | undefined>;
  /** Undefined: clients of a run that died wait until its duration is over. */
  readonly probe: RouteProbe | undefined;
  readonly log: Log;
  /** Between two probes after a request vanished; by default 250 ms. */
  readonly probeInterval?: Milliseconds;
}

const PROBE_INTERVAL: Milliseconds = 250;
const RETRY_INTERVAL: Milliseconds = 100;

/** One for all: to make an error takes longer than most of what happens then, and clients wait. */
const CHANGED = new PgcmError('aborted', 'the pause request has changed');

/** What was read last. */
interface Heard {
  readonly request: PauseRequest | undefined;
  readonly at: Milliseconds;
}

/** Pauses and resumes as the request of a switchover says. The keeper sees to the end of each pause, whatever happens here. */
export class RequestObeyer implements Service {
  readonly name = 'pause-requests';
  /** What is acknowledged. */
  readonly pause = new Latest<ProxyPause>({ kind: 'running' });
  /** The first request was read, and if there was one its pause has begun, or failed. */
  readonly ready: Promise<void>;
  readonly #options: RequestObeyerOptions;
  readonly #log: Log;
  readonly #heard = new Latest<Heard | undefined>(undefined);
  readonly #seen = new SeenRequests();
  readonly #complaints = new Complaints();
  /** Ends the work on a request that is no longer the newest. */
  #turn = new AbortController();
  #sayReady = (): void => undefined;

  constructor(options: RequestObeyerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.ready = new Promise((resolve) => (this.#sayReady = resolve));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { requests } = this.#options;
    const [failure] = await runServices(
      [
        { name: 'following pause requests', run: (on) => requests.follow((r) => this.#onRequest(r), on) },
        { name: 'obeying pause requests', run: (on) => this.#obeyForever(on) },
        { name: 'watching for the end of pauses', run: (on) => this.#watchEnds(on) },
      ],
      signal,
    );
    if (failure !== undefined) throw failure.error;
  }

  #onRequest(request: PauseRequest | undefined): void {
    const before = this.#heard.value;
    if (before !== undefined && isSame(before.request, request)) return;
    this.#heard.set({ request, at: monotonic() });
    this.#turn.abort(CHANGED);
  }

  async #obeyForever(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const heard = this.#heard.value;
      if (heard !== undefined) {
        this.#turn = new AbortController();
        await withEither(signal, this.#turn.signal, (on) => this.#obey(heard, on));
        this.#sayReady();
      }
      if (this.#heard.value === heard) await this.#heard.changed(undefined, signal);
    }
  }

  async #obey({ request, at }: Heard, signal: AbortSignal): Promise<void> {
    if (request === undefined) {
      this.#sayReady();
      await this.#vanished(signal);
      return;
    }
    const { id, phase } = request;
    this.#seen.see(request, at);
    this.#log.info(events.pauseRequest, { switchover: id, phase, release: request.release });
    if (phase === 'pause') await this.#hold(request, signal);
    if (phase === 'release') await this.#release(request, signal);
    if (phase === 'abort') await this.#letGo(id, signal);
    // Of runs before this one: what they paused is this one's now, or runs.
    if (phase === 'pause' && !this.#isHeld(id)) return;
    for (const other of this.#heldIds()) if (other !== id) await this.#letGo(other, signal);
  }

  async #hold(request: PauseRequest, signal: AbortSignal): Promise<void> {
    const { id, timeout } = request;
    const seen = this.#seen.get(id);
    if (seen === undefined || seen.isDecided) return;
    try {
      if (monotonic() >= seen.endsAt) throw new PgcmError('refused', 'its duration is over');
      await this.#options.keeper.hold(reasonOf(id), { timeout, endsAt: seen.endsAt }, undefined, signal);
      this.pause.set({ kind: 'paused', request: id });
      seen.isDecided = true;
    } catch (thrown) {
      // The request is another one now, or this is the end.
      if (signal.aborted) return;
      seen.isDecided = true;
      const error = describeError(thrown);
      this.#log.error(events.pauseRequestFailed, { switchover: id, error }, 'the clients run');
      this.pause.set({ kind: 'failed', request: id, error });
    } finally {
      this.#sayReady();
    }
  }

  /** One that is new here, as after a restart: clients must not run into the old primary before the route is there. */
  async #release(request: PauseRequest, signal: AbortSignal): Promise<void> {
    const { id, release } = request;
    if (!this.#reached(release)) await this.#hold(request, signal);
    this.#sayReady();
    while (this.#isHeld(id) && !this.#reached(release)) {
      const { verified, keeper } = this.#options;
      if ((await anyChanged([verified, keeper.news], signal)) === 'aborted') return;
    }
    await this.#letGo(id, signal);
  }

  #reached(release: bigint | undefined): boolean {
    const revision = this.#options.verified.value?.route.revision;
    return release === undefined || (revision !== undefined && revision >= release);
  }

  /** The run died, or its lock was lost. Whoever waits goes on where it is known that writes are taken. */
  async #vanished(signal: AbortSignal): Promise<void> {
    const [id, ...others] = this.#heldIds();
    if (id === undefined) {
      this.pause.set({ kind: 'running' });
      return;
    }
    const { probe, probeInterval = PROBE_INTERVAL } = this.#options;
    const next = probe === undefined ? 'clients wait until its duration is over' : 'asking the primary';
    const seen = this.#seen.get(id);
    const mayGo = (): boolean =>
      seen?.isLetGo === true || (seen?.release !== undefined && this.#reached(seen.release));
    if (!mayGo()) this.#log.warn(events.pauseRequestVanished, { switchover: id, next });
    while (!mayGo() && !(await this.#takesWrites(signal))) {
      if ((await sleep(probeInterval, signal)) === 'aborted') return;
      // Its duration is over.
      if (!this.#isHeld(id)) break;
    }
    for (const held of [id, ...others]) await this.#letGo(held, signal);
  }

  async #takesWrites(signal: AbortSignal): Promise<boolean> {
    const { probe, verified } = this.#options;
    const address = verified.value?.route.address;
    if (probe === undefined || address === undefined) return false;
    try {
      const takesWrites = await probe.takesWrites(address, signal);
      this.#complaints.settle('probe');
      return takesWrites;
    } catch (thrown) {
      const error = describeError(thrown);
      if (!signal.aborted && this.#complaints.isNew('probe', error))
        this.#log.warn(events.probeError, { error });
      return false;
    }
  }

  /** Tries until they run, or until something newer was heard: which then lets them go, or holds them for itself. */
  async #letGo(id: string, signal: AbortSignal): Promise<void> {
    const seen = this.#seen.get(id);
    if (seen !== undefined) seen.isLetGo = seen.isDecided = true;
    for (;;) {
      try {
        // Not cut short by what comes next: a RESUME that was decided on is done.
        const outcome = await this.#options.keeper.release(reasonOf(id), new AbortController().signal);
        this.#complaints.settle('release');
        const waited = monotonic() - (this.#heard.value?.at ?? monotonic());
        this.#log.info(events.pauseRequest, {
          switchover: id,
          outcome,
          elapsed: formatDuration(Math.round(waited)),
        });
        this.#running(id);
        return;
      } catch (thrown) {
        const error = describeError(thrown);
        if (this.#complaints.isNew('release', error))
          this.#log.error(events.pauseRequestFailed, { switchover: id, error });
      }
      if ((await sleep(RETRY_INTERVAL, signal)) === 'aborted') return;
    }
  }

  #running(id: string): void {
    const { value } = this.pause;
    if (value.kind !== 'running' && value.request === id) this.pause.set({ kind: 'running' });
  }

  /** A pause that ends by its duration. */
  async #watchEnds(signal: AbortSignal): Promise<void> {
    const { news } = this.#options.keeper;
    while ((await news.changed(undefined, signal)) !== 'aborted') {
      const { value } = this.pause;
      if (value.kind !== 'paused' || this.#isHeld(value.request)) continue;
      if (this.#seen.get(value.request)?.isLetGo === true) continue;
      const { request } = value;
      const isThere = this.#heard.value?.request?.id === request;
      const error = 'its duration is over: the clients run';
      this.pause.set(isThere ? { kind: 'failed', request, error } : { kind: 'running' });
    }
  }

  #isHeld(id: string): boolean {
    return this.#options.keeper.news.value.reasons.includes(reasonOf(id));
  }

  #heldIds(): readonly string[] {
    const { reasons } = this.#options.keeper.news.value;
    return reasons.filter((reason) => reason.startsWith(PREFIX)).map((reason) => reason.slice(PREFIX.length));
  }
}

const PREFIX = 'request:';

function reasonOf(id: string): PauseReason {
  return `${PREFIX}${id}`;
}

function isSame(one: PauseRequest | undefined, other: PauseRequest | undefined): boolean {
  return one?.id === other?.id && one?.phase === other?.phase && one?.release === other?.release;
}
