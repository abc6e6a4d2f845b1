import type { NodeRegistry } from '../../src/domain/stores.js';
import type { NodeState } from '../../src/domain/switchover.js';

/** The registered nodes in memory. */
export class FakeNodeRegistry implements NodeRegistry {
  nodes: readonly NodeState[] = [];
  problems: readonly string[] = [];
  /** Set to make it fail. */
  failure: Error | undefined;

  list(): Promise<{ nodes: readonly NodeState[]; problems: readonly string[] }> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve({ nodes: this.nodes, problems: this.problems });
  }
}
