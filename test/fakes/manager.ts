import { parseAddress, type Address } from '../../src/domain/address.js';
import type { ClusterManager, Member, Topology } from '../../src/domain/cluster.js';
import type { ManagerInspection, Obstacle } from '../../src/domain/inspection.js';

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
  /** Members that a move was asked to. */
  readonly moved: string[] = [];
  /** Ids of the switchovers whose move is asked for. */
  readonly preferences: string[] = [];
  readonly obstacles: Obstacle[] = [];
  readmitted = 0;
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

  move(name: string, switchover: string): Promise<void> {
    this.moved.push(name);
    this.preferences.push(switchover);
    return Promise.resolve();
  }

  cancelMove(switchover: string | undefined): Promise<readonly string[]> {
    const gone = this.preferences.filter((id) => switchover === undefined || id === switchover);
    for (const id of gone) this.preferences.splice(this.preferences.indexOf(id), 1);
    return Promise.resolve(gone);
  }

  moves(): Promise<readonly string[]> {
    return Promise.resolve([...this.preferences]);
  }

  async inspect(): Promise<ManagerInspection> {
    return { topology: await this.look(), obstacles: this.obstacles, moves: await this.moves() };
  }

  readmit(): Promise<void> {
    this.readmitted += 1;
    return Promise.resolve();
  }

  readmitCommands(name: string): Promise<readonly string[]> {
    return Promise.resolve([`readmit ${name}`]);
  }

  dataDirectory(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }
}
