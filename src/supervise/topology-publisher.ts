import type { Topology } from '../domain/cluster.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Postgres } from '../domain/postgres.js';
import type { RouteChange, RouteStore, TopologyOutcome, TopologyStore } from '../domain/stores.js';
import type { PublishedTopology } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { anyChanged, Latest } from '../runtime/latest.js';
import { runServices, type Service } from '../runtime/service-group.js';
import type { Addresses } from './addresses.js';
import type { Wanted } from './decision.js';
import { difference, viewOf } from './topology-view.js';

export interface TopologyPublisherOptions {
  readonly topologies: TopologyStore;
  readonly routes: Pick<RouteStore, 'publish'>;
  readonly addresses: Addresses;
  readonly postgres: Pick<Postgres, 'senders' | 'inspect'>;
  readonly localName: (signal: AbortSignal) => Promise<string>;
  readonly facts: { readonly systemIdentifier: string | undefined };
  /** Of this node's PostgreSQL while it is the primary. */
  readonly role: { readonly timeline: number | undefined };
  readonly log: Log;
  /** For one exchange with etcd. */
  readonly etcdTimeout: Milliseconds;
}

/** What one look has shown. */
export interface Sight {
  readonly topology: Topology;
  readonly wanted: Wanted;
}

/** How long others than the primary's own supervise see the published view differ before they write it. */
const OTHERS_WAIT: Milliseconds = 1_000;

/**
 * The same for a primary that the cluster manager has not shown promoted since it was published: one that
 * was published early, while the agent goes on working.
 */
const NEW_PRIMARY_WAIT: Milliseconds = 30_000;

/** Between two views of which only the lag differs. */
const LAG_INTERVAL: Milliseconds = 10_000;

/**
 * Publishes the cluster as it is seen, when it changes: the primary's own supervise; the others only what
 * that one cannot say, that it is gone. Where the route changes, too, both are written as one.
 */
export class TopologyPublisher implements Service {
  readonly name = 'topology';
  readonly #options: TopologyPublisherOptions;
  readonly #sight = new Latest<Sight | undefined>(undefined);
  /** Counts how often this node's primary died. */
  readonly #lostHere = new Latest(0);
  #published: PublishedTopology | undefined;
  /** Whether the store has told what is published. */
  #told = false;
  #differsSince: Milliseconds | undefined;
  /** The last one that the cluster manager showed here. */
  #lastPrimary: string | undefined;
  #writtenAt: Milliseconds = 0;
  #lastTrouble = '';

  constructor(options: TopologyPublisherOptions) {
    this.#options = options;
  }

  /** A look whose route is published already. */
  observe(sight: Sight): void {
    this.#sight.set(sight);
  }

  /** Writes a new route, and the view that goes with it where that is known. */
  async announce(
    change: RouteChange,
    { topology, wanted }: Sight,
    signal: AbortSignal,
  ): Promise<TopologyOutcome> {
    const { topologies, routes, log } = this.#options;
    const view = await this.#view(topology, wanted, [], signal);
    if (view === undefined) return await routes.publish(change.address, change.expected, signal);
    const outcome = await topologies.publish(view, change, signal);
    if (outcome.kind === 'published') this.#written(view, log);
    return outcome;
  }

  /** This node's PostgreSQL cannot be reached any more, which the cluster manager finds out later. */
  onLost(): void {
    this.#lostHere.set(this.#lostHere.value + 1);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { topologies } = this.#options;
    const onTopology = (topology: PublishedTopology | undefined): void => {
      this.#published = topology;
      this.#told = true;
    };
    const [failure] = await runServices(
      [
        { name: 'following the topology', run: (on) => topologies.follow(onTopology, on) },
        { name: 'publishing the topology', run: (on) => this.#publishForever(on) },
      ],
      signal,
    );
    if (failure !== undefined) throw failure.error;
  }

  async #publishForever(signal: AbortSignal): Promise<void> {
    let done: Sight | undefined;
    let lost = 0;
    while (!signal.aborted) {
      const { value: sight } = this.#sight;
      const isLostHere = this.#lostHere.value !== lost;
      if (!isLostHere && (sight === undefined || sight === done)) {
        await anyChanged([this.#sight, this.#lostHere], signal);
        continue;
      }
      try {
        if (isLostHere) {
          lost = this.#lostHere.value;
          this.#trouble(await this.#sayLost(signal));
        } else if (sight !== undefined) {
          done = sight;
          this.#trouble(await this.#turn(sight, signal));
        }
      } catch (error) {
        // The signal may have been aborted while the turn was awaited.
        if (!(signal as { aborted: boolean }).aborted) this.#trouble(describeError(error));
      }
    }
  }

  /** @returns why it could not be published; empty when nothing is wrong */
  async #turn({ topology, wanted }: Sight, signal: AbortSignal): Promise<string> {
    const { localName, topologies, postgres, etcdTimeout, log } = this.#options;
    if (!this.#told || !topology.quorum) return '';
    const local = await localName(signal);
    if (wanted.kind === 'primary') this.#lastPrimary = wanted.name;
    const mine = wanted.kind === 'primary' && wanted.name === local;
    if (!mine && !this.#differsForLong(wanted)) return '';
    const senders = mine ? await postgres.senders(signal) : [];
    const view = await this.#view(topology, wanted, senders, signal);
    if (view === undefined) return '';
    const what = difference(view, this.#published);
    if (what === 'none') return '';
    if (what === 'lag' && monotonic() - this.#writtenAt < LAG_INTERVAL) return '';
    const outcome = await runWithDeadline('writing the topology', etcdTimeout, signal, (on) =>
      topologies.publish(view, undefined, on),
    );
    if (outcome.kind === 'published') this.#written(view, what === 'more' ? log : undefined);
    return outcome.kind === 'refused' ? outcome.why : '';
  }

  /** Only of this node's own primary, and only what is not published yet. */
  async #sayLost(signal: AbortSignal): Promise<string> {
    const { localName, topologies, etcdTimeout, log } = this.#options;
    const published = this.#published;
    if (published?.primary.state !== 'up' || published.primary.name !== (await localName(signal))) return '';
    const primary = { ...published.primary, state: 'lost' as const, since: new Date().toISOString() };
    const view = { ...published, primary };
    const outcome = await runWithDeadline('writing the topology', etcdTimeout, signal, (on) =>
      topologies.publish(view, undefined, on),
    );
    if (outcome.kind === 'published') this.#written(view, log);
    return outcome.kind === 'refused' ? outcome.why : '';
  }

  /** Whether the published primary is another one, or none or one where it should not be, for a while. */
  #differsForLong(wanted: Wanted): boolean {
    const published = this.#published?.primary;
    const name = wanted.kind === 'primary' ? wanted.name : undefined;
    const right =
      name === undefined ? published?.state !== 'up' : published?.state === 'up' && published.name === name;
    if (right) {
      this.#differsSince = undefined;
      return false;
    }
    this.#differsSince ??= monotonic();
    const isNew = name === undefined && published?.name !== this.#lastPrimary;
    return monotonic() - this.#differsSince >= (isNew ? NEW_PRIMARY_WAIT : OTHERS_WAIT);
  }

  /** Undefined while it is not known enough. */
  async #view(
    topology: Topology,
    wanted: Wanted,
    senders: Parameters<typeof viewOf>[0]['senders'],
    signal: AbortSignal,
  ): Promise<PublishedTopology | undefined> {
    const { facts, addresses } = this.#options;
    const { systemIdentifier } = facts;
    const timeline = await this.#timeline(wanted, signal);
    if (systemIdentifier === undefined || timeline === undefined) return undefined;
    return viewOf({
      systemIdentifier,
      timeline,
      topology,
      primary: wanted.kind === 'primary' ? wanted.name : undefined,
      addressOf: (member) => addresses.known(member),
      senders,
      previous: this.#published,
      now: new Date().toISOString(),
    });
  }

  /** Of the primary: its own supervise knows it; another one goes by what it receives from it. */
  async #timeline(wanted: Wanted, signal: AbortSignal): Promise<number | undefined> {
    const { localName, role, postgres } = this.#options;
    // That it is lost is said of the view that is there.
    if (wanted.kind === 'keep') return this.#published?.timeline;
    if (wanted.name === (await localName(signal))) return role.timeline;
    const found = await postgres.inspect(signal).catch(() => undefined);
    return found?.receiving === true ? found.timeline : undefined;
  }

  #written(view: PublishedTopology, log: Log | undefined): void {
    this.#published = view;
    this.#writtenAt = monotonic();
    this.#differsSince = undefined;
    log?.info(events.topologyUpdate, {
      primary: view.primary.name,
      state: view.primary.state,
      timeline: view.timeline,
    });
  }

  /** Each distinct trouble once. */
  #trouble(error: string): void {
    if (error === this.#lastTrouble) return;
    this.#lastTrouble = error;
    if (error === '') return;
    this.#options.log.warn(events.publishError, { error }, 'the topology in etcd is not up to date');
  }
}
