import { parseAddress, type Address } from '../../src/domain/address.js';
import type { ClusterManager, Member, Topology } from '../../src/domain/cluster.js';

/** A healthy cluster of pg01 (primary), pg02 (sync), pg03 (potential). */
export function healthyTopology(): Topology {
  return {
    quorum: true,
    primary: { kind: 'one', name: 'pg01' },
    members: [
      member('pg01', { role: 'primary' }),
      member('pg02', { syncState: 'sync' }),
      member('pg03', { syncState: 'potential' }),
    ],
  };
}

export function member(name: string, rest: Partial<Member> = {}): Member {
  return { name, role: 'standby', syncState: 'unknown', online: true, unclean: false, ...rest };
}

/** pg01 is 10.77.0.11 and so on. */
export class FakeManager implements ClusterManager {
  readonly moves: string[] = [];
  local = 'pg01';
  topology: Topology = healthyTopology();
  /** Set to make every look fail. */
  failure: Error | undefined;
  looks = 0;

  localName(): Promise<string> {
    return Promise.resolve(this.local);
  }

  look(): Promise<Topology> {
    this.looks += 1;
    return this.failure === undefined ? Promise.resolve(this.topology) : Promise.reject(this.failure);
  }

  addressOf(name: string): Promise<Address> {
    return Promise.resolve(parseAddress(`10.77.0.1${name.slice(-1)}`));
  }

  move(name: string): Promise<void> {
    this.moves.push(name);
    return Promise.resolve();
  }

  cancelMove(): Promise<boolean> {
    return Promise.resolve(this.moves.pop() !== undefined);
  }
}
