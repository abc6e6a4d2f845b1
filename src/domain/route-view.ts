import { parseAddress, quote, type Address } from './address.js';
import { PgcmError } from './errors.js';
import type { ReplicaHealth } from './replica-health.js';
import type { PublishedMember, PublishedTopology } from './switchover.js';

/** A member of the cluster as templates know it: its name and its address are fit for any file. */
export interface ViewedMember {
  readonly name: string;
  readonly address: Address;
  readonly role: 'primary' | 'standby' | 'stopped' | 'unknown';
  readonly syncState: PublishedMember['syncState'];
  /** Bytes; undefined: not known. */
  readonly lag: number | undefined;
  /** The primary, or a standby that readers may be sent to. */
  readonly healthy: boolean;
}

/** Everything that files are made of. */
export interface RouteView {
  /** Where the primary is: the route's address, whatever the topology says. */
  readonly host: Address;
  readonly sync: ViewedMember | undefined;
  readonly standbys: readonly ViewedMember[];
  /** Where readers may be sent; never empty where the fallback is the primary. */
  readonly replicas: readonly ViewedMember[];
  /** All whose address is known. */
  readonly members: readonly ViewedMember[];
  /** Undefined: no topology is known. */
  readonly cluster:
    | {
        readonly systemIdentifier: string;
        readonly timeline: number;
        readonly state: 'up' | 'lost';
      }
    | undefined;
  /** Members that are left out, and why; for the log. */
  readonly refused: readonly string[];
}

/** Who readers are sent to where no standby is healthy. */
export type ReplicaFallback = 'none' | 'primary';

/** As the names of hosts, and of servers in HAProxy. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * The route and the cluster around it. They are read apart, so the topology may be older or newer: who has
 * the route's address is the primary, and nobody else is.
 */
export function routeView(
  host: Address,
  topology: PublishedTopology | undefined,
  health: ReplicaHealth,
  fallback: ReplicaFallback,
): RouteView {
  const members: ViewedMember[] = [];
  const refused: string[] = [];
  for (const member of topology?.members ?? []) {
    // Its node is not up, or its supervise has not said yet: it is nothing to complain about.
    if (member.address === '') continue;
    try {
      members.push(viewed(member, host, health));
    } catch (error) {
      refused.push((error as PgcmError).message);
    }
  }
  members.sort((one, other) => (one.name < other.name ? -1 : 1));
  const standbys = members.filter(({ role }) => role === 'standby');
  const healthy = standbys.filter((member) => member.healthy);
  const primary = members.find(({ role }) => role === 'primary') ?? unnamedPrimary(host);
  return {
    host,
    sync: healthy.find(({ syncState }) => syncState === 'sync'),
    standbys,
    replicas: healthy.length === 0 && fallback === 'primary' ? [primary] : healthy,
    members,
    cluster: topology && {
      systemIdentifier: topology.systemIdentifier,
      timeline: topology.timeline,
      state: topology.primary.state,
    },
    refused,
  };
}

/** @throws PgcmError `bad-address` when a file could not hold it */
function viewed(member: PublishedMember, host: Address, health: ReplicaHealth): ViewedMember {
  const { name, syncState, lag } = member;
  if (!NAME.test(name)) {
    throw new PgcmError('bad-address', `${quote(name)} is no name that a config file could hold`);
  }
  const address = parseAddress(member.address);
  const isPrimary = address === host;
  // One that the topology has for the primary, and the route has not, is on its way up or down.
  const role = isPrimary ? 'primary' : member.role === 'primary' ? 'unknown' : member.role;
  const isHealthy = role === 'standby' && health.get(name)?.healthy === true;
  return { name, address, role, syncState, lag, healthy: isPrimary || isHealthy };
}

function unnamedPrimary(host: Address): ViewedMember {
  return {
    name: 'primary',
    address: host,
    role: 'primary',
    syncState: 'unknown',
    lag: undefined,
    healthy: true,
  };
}
