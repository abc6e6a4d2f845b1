import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { TopologyStore } from '../domain/stores.js';
import type { PublishedTopology } from '../domain/switchover.js';
import { Latest } from '../runtime/latest.js';
import type { Service } from '../runtime/service-group.js';

/**
 * The cluster as supervise published it last. Where the primary is comes from the route alone: this may be
 * older, or newer, and says what else there is.
 */
export class TopologyFeed implements Service {
  readonly name = 'following the topology';
  /** Undefined before the first one. */
  readonly latest = new Latest<PublishedTopology | undefined>(undefined);
  readonly #topologies: Pick<TopologyStore, 'follow'>;
  readonly #log: Log;

  constructor(topologies: Pick<TopologyStore, 'follow'>, log: Log) {
    this.#topologies = topologies;
    this.#log = log;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#topologies.follow((topology) => this.#onTopology(topology), signal);
  }

  /** One that vanished, or is not understood, does not take away what was known: standbys are where they were. */
  #onTopology(topology: PublishedTopology | undefined): void {
    if (topology !== undefined) this.latest.set(topology);
    else if (this.latest.value !== undefined) {
      this.#log.warn(events.topologyKept, {}, 'nothing is published: the last one is kept');
    }
  }
}
