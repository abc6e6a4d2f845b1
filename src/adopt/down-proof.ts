import type { Address } from '../domain/address.js';
import type { Member } from '../domain/cluster.js';
import { describeError } from '../domain/errors.js';

export interface DownProof {
  readonly addressOf: (name: string) => Promise<Address>;
  /** Whether anything listens on PostgreSQL's port there. */
  readonly listens: (address: Address, signal: AbortSignal) => Promise<boolean>;
}

export interface DownFinding {
  readonly name: string;
  readonly down: boolean;
  readonly text: string;
}

/** Looks at each of these members; only what is proven counts as down. */
export function whoIsNotDown(
  members: readonly Member[],
  proof: DownProof,
  signal: AbortSignal,
): Promise<readonly DownFinding[]> {
  return Promise.all(members.map((member) => find(member, proof, signal)));
}

async function find(
  member: Member,
  { addressOf, listens }: DownProof,
  signal: AbortSignal,
): Promise<DownFinding> {
  const { name, online, unclean, role } = member;
  const found = (down: boolean, text: string): DownFinding => ({ name, down, text });
  if (unclean) return found(false, 'unclean: what runs there is not known until it was fenced');
  if (online && role !== 'stopped')
    return found(false, `online, and for the cluster manager PostgreSQL is a ${role}`);
  const state = online ? 'PostgreSQL is stopped there' : 'offline';
  try {
    const address = await addressOf(name);
    return (await listens(address, signal))
      ? found(
          false,
          `${state} for the cluster manager, but something listens on PostgreSQL's port at ${address}`,
        )
      : found(true, `${state}, and nothing listens on PostgreSQL's port at ${address}`);
  } catch (error) {
    return found(false, `${state} for the cluster manager, and not asked itself: ${describeError(error)}`);
  }
}
