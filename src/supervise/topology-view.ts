import type { Topology } from '../domain/cluster.js';
import type { WalSender } from '../domain/inspection.js';
import type { PublishedMember, PublishedTopology } from '../domain/switchover.js';

/** What a published view of the cluster is made of. */
export interface ViewParts {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly topology: Topology;
  /** The primary's name; undefined: there is none that works. */
  readonly primary: string | undefined;
  readonly addressOf: (member: string) => string | undefined;
  /** The primary's walsenders; empty when it was not asked. */
  readonly senders: readonly WalSender[];
  readonly previous: PublishedTopology | undefined;
  /** RFC 3339. */
  readonly now: string;
}

export function viewOf(parts: ViewParts): PublishedTopology {
  const { systemIdentifier, timeline, topology, primary, previous, now } = parts;
  const state = primary === undefined ? 'lost' : 'up';
  const name = primary ?? previous?.primary.name ?? '';
  const same = previous?.primary.state === state && previous.primary.name === name;
  return {
    systemIdentifier,
    timeline,
    members: topology.members.map((member) => viewOfMember(member, parts)),
    primary: { state, name, since: same ? previous.primary.since : now },
  };
}

function viewOfMember(
  { name, role, syncState, online, unclean }: Topology['members'][number],
  { primary, addressOf, senders }: ViewParts,
): PublishedMember {
  const address = addressOf(name) ?? '';
  const sender = senders.find((one) => one.name === name || (address !== '' && one.address === address));
  const isPrimary = name === primary;
  return {
    name,
    address,
    // Published early, the new primary is still a standby for the cluster manager.
    role: isPrimary ? 'primary' : role === 'primary' && primary !== undefined ? 'unknown' : role,
    syncState: isPrimary ? 'unknown' : syncState,
    lag: isPrimary || sender?.lag === undefined ? undefined : rounded(sender.lag),
    up: online && !unclean,
  };
}

const MEGABYTE = 1_048_576;

/**
 * 0 below 1 MB, then powers of two: it is to tell how far behind a standby is, and to change seldom. Rounded up: a
 * standby that is further behind than max-replica-lag must not look as if it were not.
 */
function rounded(bytes: number): number {
  return bytes < MEGABYTE ? 0 : 2 ** Math.ceil(Math.log2(bytes));
}

/** What differs between two views: nothing, only how far standbys are behind, or more. */
export function difference(
  one: PublishedTopology,
  other: PublishedTopology | undefined,
): 'none' | 'lag' | 'more' {
  if (other === undefined) return 'more';
  if (JSON.stringify(one) === JSON.stringify(other)) return 'none';
  const withoutLag = (view: PublishedTopology): string =>
    JSON.stringify({ ...view, members: view.members.map((member) => ({ ...member, lag: undefined })) });
  return withoutLag(one) === withoutLag(other) ? 'lag' : 'more';
}
