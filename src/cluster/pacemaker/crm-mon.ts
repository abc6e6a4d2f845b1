import type { Member, PrimaryFinding, Role, SyncState, Topology } from '../../domain/cluster.js';
import { readCrmMon, type CrmMon, type MonAttributes, type MonInstance } from './crm-mon-xml.js';

/** One look at Pacemaker, with what only Pacemaker's adapter needs beside the topology. */
export interface CrmMonLook extends Topology {
  /** corosync's node ids, by node name. */
  readonly nodeIds: ReadonlyMap<string, string>;
}

/**
 * The topology in what `crm_mon -1 --output-as=xml` printed.
 *
 * @param resource the id of the promotable clone that manages PostgreSQL
 * @throws PgcmError `invalid-answer` when it is not that, or has no such clone
 */
export function parseCrmMon(xml: string, resource: string): CrmMonLook {
  return topologyOf(readCrmMon(xml, resource), resource);
}

export function topologyOf({ summary, nodes, instances, attributes }: CrmMon, resource: string): CrmMonLook {
  const members = nodes.map((n): Member => {
    const here = instances.filter((i) => i.node.some((on) => on['@name'] === n['@name']));
    return {
      name: n['@name'],
      role: n['@online'] ? roleOf(here) : 'unknown',
      syncState: syncStateOf(
        attributes.find((a) => a['@name'] === n['@name']),
        instances,
      ),
      online: n['@online'],
      unclean: n['@unclean'],
    };
  });
  return {
    // Without a DC nobody decides anything, whatever the membership says.
    quorum: summary.current_dc['@present'] && summary.current_dc['@with_quorum'] === true,
    primary: findPrimary(members, resource),
    members,
    nodeIds: new Map(nodes.map((n) => [n['@name'], n['@id']])),
  };
}

/** Pacemaker 2.1 renamed Master and Slave; both are still printed, by build option. */
function roleOf(instances: readonly MonInstance[]): Role {
  const roles = instances.filter((i) => i['@active']).map((i) => i['@role']);
  if (roles.some((r) => r === 'Promoted' || r === 'Master')) return 'primary';
  if (roles.some((r) => r === 'Unpromoted' || r === 'Slave' || r === 'Started')) return 'standby';
  return 'stopped';
}

/**
 * ocf:heartbeat:pgsql writes `<primitive>-data-status` per node: LATEST on the primary, else
 * STREAMING|SYNC, STREAMING|POTENTIAL, STREAMING|ASYNC, DISCONNECT ...
 */
function syncStateOf(of: MonAttributes | undefined, instances: readonly MonInstance[]): SyncState {
  const names = new Set(instances.map((i) => `${primitiveOf(i)}-data-status`));
  const status = of?.attribute.find((a) => names.has(a['@name']))?.['@value'];
  switch (status) {
    case 'STREAMING|SYNC':
      return 'sync';
    case 'STREAMING|POTENTIAL':
      return 'potential';
    case 'STREAMING|ASYNC':
      return 'async';
    default:
      return 'unknown';
  }
}

/** An instance of an anonymous clone is printed as `pgsql` or as `pgsql:0`. */
export function primitiveOf(instance: MonInstance): string {
  return instance['@id'].replace(/:\d+$/, '');
}

function findPrimary(members: readonly Member[], resource: string): PrimaryFinding {
  const promoted = members.filter((m) => m.role === 'primary');
  const [first] = promoted;
  if (promoted.length > 1) return { kind: 'several', names: promoted.map((m) => m.name) };
  if (first === undefined) return { kind: 'none', why: `no instance of ${resource} is promoted` };
  if (!first.online || first.unclean)
    return { kind: 'none', why: `${first.name}, where ${resource} was promoted, is unclean` };
  return { kind: 'one', name: first.name };
}
