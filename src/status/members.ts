import type { Member, Topology } from '../domain/cluster.js';
import type { PostgresInspection, WalSender } from '../domain/inspection.js';
import type { PublishedMember } from '../domain/switchover.js';
import type { MemberStatus } from './cluster-status.js';
import type { Answers, NodeAnswer } from './gather.js';

/** The cluster manager's topology as a node with quorum sees it; else whatever some node sees. */
export function topologyOf({ nodes }: Answers): Topology | undefined {
  const seen = nodes.flatMap(({ inspection }) => inspection?.manager?.topology ?? []);
  return seen.find(({ quorum }) => quorum) ?? seen[0];
}

/** The members of the cluster manager, of the published topology, and those that answered: each once. */
export function membersOf(answers: Answers): readonly MemberStatus[] {
  const managed = new Map((topologyOf(answers)?.members ?? []).map((member) => [member.name, member]));
  const published = new Map((answers.topology?.members ?? []).map((member) => [member.name, member]));
  const answered = new Map(
    answers.nodes.flatMap((node) =>
      node.inspection === undefined ? [] : [[node.inspection.node, node] as const],
    ),
  );
  const senders = answers.nodes.flatMap(({ inspection }) =>
    inspection?.postgres?.inRecovery === false ? inspection.postgres.senders : [],
  );
  const names = [...new Set([...managed.keys(), ...published.keys(), ...answered.keys()])].sort();
  return names
    .filter((name) => name !== '')
    .map((name) => memberOf(name, managed.get(name), published.get(name), answered.get(name), senders));
}

function memberOf(
  name: string,
  managed: Member | undefined,
  published: PublishedMember | undefined,
  answered: NodeAnswer | undefined,
  senders: readonly WalSender[],
): MemberStatus {
  const postgres = answered?.inspection?.postgres;
  const sender = senders.find((one) => isOf(one, name, published?.address));
  const role = managed?.role ?? published?.role ?? 'unknown';
  return {
    name,
    address: published?.address ?? '',
    api: answered?.endpoint ?? '',
    role,
    syncState: role === 'primary' ? 'unknown' : (sender?.syncState ?? managed?.syncState ?? 'unknown'),
    online: managed?.online ?? false,
    streaming: streaming(postgres),
    lag: role === 'primary' ? undefined : sender?.lag,
    timeline: postgres?.timeline,
  };
}

/** application_name is the member's name where the cluster manager sets it so; else the address tells. */
function isOf(sender: WalSender, name: string, address: string | undefined): boolean {
  return sender.name === name || (address !== undefined && address !== '' && sender.address === address);
}

function streaming(postgres: PostgresInspection | undefined): boolean | undefined {
  return postgres?.inRecovery === true ? postgres.receiving : undefined;
}
