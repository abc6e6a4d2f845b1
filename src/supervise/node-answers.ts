import type { Address } from '../domain/address.js';
import type { Member, Topology } from '../domain/cluster.js';
import { no, OLDEST_HEARD, yes, type HealthAnswer } from '../domain/health.js';
import type { RouteReading } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { formatDuration } from '../runtime/durations.js';
import { formatSize } from '../runtime/sizes.js';
import type { BouncerNews } from './bouncer-watch.js';
import type { ReplicaNews } from './replica-watch.js';
import type { RoleNews } from './role-watch.js';

export interface NodeKnowledge {
  readonly role: { readonly news: RoleNews };
  readonly replica: { readonly news: ReplicaNews };
  readonly bouncers: { readonly news: BouncerNews };
  readonly publisher: {
    readonly published: RouteReading | undefined;
    readonly localName: string | undefined;
    /** The record confirms a promotion here that the cluster manager may not show yet. */
    readonly isConfirmed: boolean;
    recentLook(age: Milliseconds): Topology | undefined;
  };
  readonly addresses: { known(member: string): Address | undefined };
}

/**
 * What this node is to a load balancer: from what is known here and no older than 2 s. What cannot be told is a no,
 * as a client that is sent elsewhere loses less than one that writes to a primary that was deposed.
 *
 * The published route counts as it was last told, however long etcd has been silent: as long as the cluster manager
 * has quorum here and names this node, nobody else can be primary, and an outage of etcd must not become one of
 * the clients.
 */
export class NodeAnswers {
  readonly #known: NodeKnowledge;

  constructor(known: NodeKnowledge) {
    this.#known = known;
  }

  primary(): HealthAnswer {
    const { publisher, addresses } = this.#known;
    const why = this.#whyNot(false) ?? this.#notChosen();
    if (why !== undefined) return no(why);
    const local = publisher.localName ?? '';
    const address = addresses.known(local);
    const { published } = publisher;
    if (address === undefined) return no('the address of this node is not known');
    if (published?.kind !== 'route') return no('no route is published');
    const { route } = published;
    if (route.address !== address)
      return no(`the published route leads to ${route.address}, not to ${address}`);
    return yes(`primary at ${address}, published with revision ${route.revision}`);
  }

  /** @param mostLag in bytes */
  replica(mostLag: number): HealthAnswer {
    const why = this.#whyNot(true);
    if (why !== undefined) return no(why);
    const { news } = this.#known.replica;
    if (news.kind === 'unknown') return no(`whether it receives WAL is not known: ${news.why}`);
    const age = monotonic() - news.at;
    if (age > OLDEST_HEARD) return no(`whether it receives WAL was last heard ${shown(age)} ago`);
    const { receiving, lag } = news.replication;
    if (!receiving) return no('a standby that receives no WAL now');
    if (lag === undefined) return no('a standby that was not told yet how far it is behind');
    if (lag > mostLag) return no(`a standby that is ${lag} bytes behind, more than ${formatSize(mostLag)}`);
    return yes(`a standby that is ${lag} bytes behind`);
  }

  /** @param mostLag in bytes */
  sync(mostLag: number): HealthAnswer {
    const replica = this.replica(mostLag);
    if (!replica.ok) return replica;
    const state = this.#member()?.syncState ?? 'unknown';
    return state === 'sync'
      ? yes(`the synchronous standby: ${replica.text}`)
      : no(`not the synchronous standby: the cluster manager says ${state}`);
  }

  /** @param mostLag in bytes */
  readOnly(mostLag: number): HealthAnswer {
    const primary = this.primary();
    if (primary.ok) return primary;
    const replica = this.replica(mostLag);
    return replica.ok ? replica : no(`no primary: ${primary.text}; no replica: ${replica.text}`);
  }

  /** Whether the primary is known here, and this host's PgBouncers can be reached. */
  ready(): HealthAnswer {
    const { publisher, bouncers } = this.#known;
    const { published } = publisher;
    if (published === undefined) return no('etcd has not told the published route yet');
    if (published.kind !== 'route') return no('no primary is published');
    const blind = this.#blind();
    if (blind !== undefined) return no(blind);
    const { news } = bouncers;
    if (news.kind === 'unknown') return no('the PgBouncers were not asked yet');
    if (news.problems.length > 0) return no(news.problems.join('; '));
    return yes(`ready: the primary is ${published.route.address}`);
  }

  /** Why this node cannot be a primary, or a standby, at all. */
  #whyNot(standby: boolean): string | undefined {
    const { news } = this.#known.role;
    if (news.kind === 'never-asked') return 'PostgreSQL was not asked yet';
    if (news.kind === 'silent') return `PostgreSQL does not answer: ${news.why}`;
    const age = monotonic() - news.at;
    if (age > OLDEST_HEARD) return `PostgreSQL last answered ${shown(age)} ago`;
    if (news.inRecovery !== standby)
      return standby ? 'no standby: it is not in recovery' : 'a standby: it is in recovery';
    return this.#blind();
  }

  /** Without quorum the others may have gone on without this node. */
  #blind(): string | undefined {
    const look = this.#look();
    if (look === undefined) return `the cluster manager did not answer in the last ${shown(OLDEST_HEARD)}`;
    return look.quorum ? undefined : 'this partition of the cluster has no quorum';
  }

  /** The cluster manager may name nobody for a moment, when a promotion is younger than its word. */
  #notChosen(): string | undefined {
    if (this.#known.publisher.isConfirmed) return undefined;
    const primary = this.#look()?.primary;
    if (primary?.kind === 'several')
      return `the cluster manager names several primaries: ${primary.names.join(', ')}`;
    return primary?.kind === 'one' && primary.name !== this.#known.publisher.localName
      ? `the cluster manager's primary is ${primary.name}`
      : undefined;
  }

  #member(): Member | undefined {
    return this.#look()?.members.find(({ name }) => name === this.#known.publisher.localName);
  }

  #look(): Topology | undefined {
    return this.#known.publisher.recentLook(OLDEST_HEARD);
  }
}

function shown(age: Milliseconds): string {
  return formatDuration(Math.round(age));
}
