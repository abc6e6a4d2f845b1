import type { Address } from '../domain/address.js';
import { syncStandby, type Member, type Topology } from '../domain/cluster.js';
import { PgcmError } from '../domain/errors.js';
import type { WalSender } from '../domain/inspection.js';

/** @throws PgcmError when the cluster manager cannot move anything now */
export function requireOperable({ quorum, primary }: Topology): void {
  if (!quorum) throw new PgcmError('no-quorum', 'this node is in a partition without quorum');
  if (primary.kind === 'none') throw new PgcmError('no-primary', `there is no primary: ${primary.why}`);
  if (primary.kind === 'several') {
    throw new PgcmError('two-primaries', `several nodes are promoted: ${primary.names.join(', ')}`);
  }
}

/**
 * The member to move the primary to: the one that was asked for, if it has every acknowledged commit
 * and can be promoted now, else the synchronous standby.
 * @throws PgcmError `no-sync-standby` saying what each member is
 */
export function moveTarget(topology: Topology, wanted: string | undefined): Member {
  requireOperable(topology);
  const candidates = topology.members.filter((member) => wanted === undefined || member.name === wanted);
  const target = syncStandby({ ...topology, members: candidates });
  if (target !== undefined) return target;
  const seen = topology.members.map(describeMember).join(', ');
  throw new PgcmError(
    'no-sync-standby',
    wanted === undefined
      ? `no synchronous standby to move the primary to: ${seen}`
      : `${wanted} is not a synchronous standby that can be promoted now: ${seen}`,
  );
}

function describeMember({ name, role, syncState, online, unclean }: Member): string {
  return `${name} ${role}/${syncState}${online ? '' : '/offline'}${unclean ? '/unclean' : ''}`;
}

/**
 * The cluster manager's word on who is synchronous is a monitor's interval old, the primary's own is
 * not. Standbys bear their names as application_name, or are known by their address.
 * @throws PgcmError `no-sync-standby`
 */
export function requireStreamingSync(name: string, address: Address, senders: readonly WalSender[]): void {
  const its = senders.filter((sender) => sender.name === name || sender.address === address);
  const safe = its.some(
    ({ state, syncState }) => state === 'streaming' && (syncState === 'sync' || syncState === 'quorum'),
  );
  if (safe) return;
  const found = its.map(({ state, syncState }) => `${state}/${syncState}`).join(', ') || 'no walsender';
  throw new PgcmError(
    'no-sync-standby',
    `${name} (${address}) does not stream as a synchronous standby of this primary: PostgreSQL shows ${found}`,
  );
}
