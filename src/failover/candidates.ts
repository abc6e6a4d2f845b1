import type { Member } from '../domain/cluster.js';
import type { PostgresInspection, WalSender } from '../domain/inspection.js';
import { primaryNode, valueOf, type Facts } from './facts.js';

/** A standby, and why the primary must not be moved there now. */
export interface Candidate {
  readonly name: string;
  readonly problems: readonly { readonly kind: string; readonly text: string }[];
}

/** Every member that is no primary, as the primary's node sees it; the synchronous ones first. */
export function candidatesOf(facts: Facts, maxLag: number): readonly Candidate[] {
  const primary = primaryNode(facts);
  const inspection = primary && valueOf(primary.inspection);
  const members = inspection?.manager?.topology.members ?? [];
  return members
    .filter(({ name }) => name !== primary?.name)
    .map((member) => ({
      name: member.name,
      problems: [
        ...asMember(member),
        ...asStandby(member, inspection?.postgres, facts, maxLag),
        ...asNode(member, inspection?.postgres, facts),
      ],
    }))
    .sort((a, b) => a.problems.length - b.problems.length);
}

type Problems = Candidate['problems'];

function asMember({ online, unclean, role, syncState }: Member): Problems {
  if (!online) return [{ kind: 'no-sync-standby', text: 'it is offline' }];
  if (unclean) return [{ kind: 'no-sync-standby', text: 'it is unclean' }];
  if (role !== 'standby') return [{ kind: 'no-sync-standby', text: `it is no standby but ${role}` }];
  if (syncState !== 'sync')
    return [{ kind: 'no-sync-standby', text: `it is not synchronous but ${syncState}` }];
  return [];
}

/** As the primary's PostgreSQL sees it: what counts for acknowledged commits. */
function asStandby(
  { name }: Member,
  primary: PostgresInspection | undefined,
  facts: Facts,
  maxLag: number,
): Problems {
  if (primary === undefined) return [{ kind: 'no-sync-standby', text: 'the primary does not tell of it' }];
  const address = addressOf(facts, name);
  const named = primary.senders.filter((sender) => sender.name === name);
  // A name alone proves nothing: a copied configuration bears another node's name.
  const sender = named.find((s) => address === undefined || s.address === undefined || s.address === address);
  if (sender === undefined) {
    const [other] = named;
    const text =
      other === undefined
        ? 'it is not connected to the primary'
        : `the standby of this name connects from ${other.address ?? 'elsewhere'}, and not from ${address ?? ''}`;
    return [{ kind: 'no-sync-standby', text }];
  }
  return asSender(sender, maxLag);
}

function asSender({ state, syncState, lag, stale }: WalSender, maxLag: number): Problems {
  const problems = [];
  if (state !== 'streaming')
    problems.push({ kind: 'no-sync-standby', text: `it is not streaming but in ${state}` });
  if (syncState !== 'sync' && syncState !== 'quorum') {
    problems.push({ kind: 'no-sync-standby', text: `commits do not wait for it (${syncState})` });
  }
  if (stale !== undefined)
    problems.push({ kind: 'stale-walsender', text: `its connection is stale: ${stale}` });
  if (lag === undefined) problems.push({ kind: 'lag', text: 'it has not said how far it is' });
  else if (lag > maxLag) {
    problems.push({ kind: 'lag', text: `it lags by ${lag} bytes, more than max-lag (${maxLag} bytes)` });
  }
  return problems;
}

/** As it sees itself. */
function asNode({ name }: Member, primary: PostgresInspection | undefined, facts: Facts): Problems {
  const node = facts.nodes.find((n) => n.name === name);
  const kind = 'no-sync-standby';
  if (node === undefined) {
    return [
      {
        kind,
        text: 'none of the failover-api-endpoints is its, so it cannot be asked whether it takes writes',
      },
    ];
  }
  const own = valueOf(node.inspection)?.postgres;
  if (own === undefined) return [{ kind, text: 'its own PostgreSQL does not answer' }];
  if (!own.inRecovery) return [{ kind, text: 'its own PostgreSQL says that it is no standby' }];
  if (!own.receiving) return [{ kind, text: 'its own PostgreSQL says that it receives nothing' }];
  if (primary !== undefined && own.systemIdentifier !== primary.systemIdentifier) {
    return [{ kind, text: 'it is a standby of another cluster (another system identifier)' }];
  }
  return [];
}

/** Where supervise published it; undefined when it did not. */
export function addressOf(facts: Facts, member: string): string | undefined {
  return valueOf(facts.topology)?.members.find(({ name }) => name === member)?.address;
}
