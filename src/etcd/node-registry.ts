import type { Log } from '../domain/log.js';
import type { NodeRegistry, Registration } from '../domain/stores.js';
import type { NodeState } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { nodeState } from '../records/node-state.js';
import type { Etcd } from './client.js';
import { keys } from './keys.js';
import { RecordReader } from './records.js';
import { LeasedRegistration } from './registration.js';

/** The Postgres nodes whose supervise is registered in etcd. */
export class EtcdNodeRegistry implements NodeRegistry {
  readonly #etcd: Etcd;

  constructor(etcd: Etcd) {
    this.#etcd = etcd;
  }

  async list(
    signal: AbortSignal,
  ): Promise<{ readonly nodes: readonly NodeState[]; readonly problems: readonly string[] }> {
    const { kvs } = await this.#etcd.getPrefix(keys.nodes, signal);
    const { values, problems } = new RecordReader(nodeState, keys.nodes, ({ name }) => name).read(kvs);
    return { nodes: values, problems };
  }
}

/** A node's own registration, by its name in the cluster manager. */
export function nodeRegistration(
  etcd: Etcd,
  name: string,
  log: Log,
  ttl?: Milliseconds,
): Registration<NodeState> {
  return new LeasedRegistration<NodeState>(
    etcd,
    {
      key: keys.nodes + name,
      serialise: (state) => nodeState.serialise(state),
      ...(ttl === undefined ? {} : { ttl }),
    },
    log,
  );
}
