import type { Address } from '../domain/address.js';
import type { ClusterManager } from '../domain/cluster.js';

/**
 * The members' addresses, found out while nothing else is going on: to ask the cluster manager for
 * one in the moment in which clients wait for it takes longer than all the rest.
 */
export class Addresses {
  readonly #manager: Pick<ClusterManager, 'addressOf'>;
  readonly #known = new Map<string, Address>();

  constructor(manager: Pick<ClusterManager, 'addressOf'>) {
    this.#manager = manager;
  }

  /** What was known at the last calm look, else what the cluster manager says. @throws PgcmError like addressOf */
  async of(member: string, signal: AbortSignal): Promise<Address> {
    return this.#known.get(member) ?? (await this.#manager.addressOf(member, signal));
  }

  known(member: string): Address | undefined {
    return this.#known.get(member);
  }

  /** To be called at every calm look. One that cannot be found out is forgotten: whoever needs it hears why. */
  async refresh(members: readonly string[], signal: AbortSignal): Promise<void> {
    for (const gone of [...this.#known.keys()].filter((name) => !members.includes(name))) {
      this.#known.delete(gone);
    }
    await Promise.all(
      members.map(async (member) => {
        const found = await this.#manager.addressOf(member, signal).catch(() => undefined);
        if (found === undefined) this.#known.delete(member);
        else this.#known.set(member, found);
      }),
    );
  }
}
