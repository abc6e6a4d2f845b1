import type { Topology } from '../domain/cluster.js';

/** What this node's own PostgreSQL was seen to do. */
export interface LocalRole {
  /** It left recovery under this daemon's eyes, on a new timeline, and takes writes. */
  readonly promotedHere: boolean;
}

/** Whose address should be published after one look, or why nobody's. */
export type Wanted =
  | { readonly kind: 'primary'; readonly name: string; readonly early: boolean }
  | { readonly kind: 'keep'; readonly why: string };

/**
 * Decides from one look at the cluster manager. None of "no quorum", "none" and "two" erases the
 * route: clients that wait are better off than clients led nowhere.
 *
 * A primary may be taken before the cluster manager says so when it has quorum, this node's
 * PostgreSQL was promoted under our eyes, and no other member can be a primary: each one is either
 * seen demoted, or off and clean, which after a failure means fenced.
 */
export function wantedPrimary(topology: Topology, local: string, role: LocalRole): Wanted {
  if (!topology.quorum) return { kind: 'keep', why: 'this partition has no quorum' };
  const { primary } = topology;
  switch (primary.kind) {
    case 'one':
      return { kind: 'primary', name: primary.name, early: false };
    case 'several':
      return { kind: 'keep', why: `several nodes are promoted: ${primary.names.join(', ')}` };
    case 'none':
      return role.promotedHere && nobodyElseCanBePrimary(topology, local)
        ? { kind: 'primary', name: local, early: true }
        : { kind: 'keep', why: primary.why };
  }
}

function nobodyElseCanBePrimary(topology: Topology, local: string): boolean {
  return topology.members.every((member) => {
    if (member.unclean) return false;
    if (member.name === local) return member.online;
    return !member.online || member.role === 'standby' || member.role === 'stopped';
  });
}
