import type { NodeInspection } from '../../src/domain/inspection.js';
import type { SwitchoverContext } from '../../src/failover/context.js';
import { gather, type Facts, type NodeFacts } from '../../src/failover/facts.js';
import { FakeCluster } from './switchover.js';

/** What the checks find in a healthy cluster of pg01 (primary), pg02 (sync), pg03 and the proxy app01. */
export async function healthyFacts(
  cluster = new FakeCluster(),
): Promise<{ readonly facts: Facts; readonly options: SwitchoverContext['options'] }> {
  const context = cluster.context();
  const facts = await gather(context, context.options, new AbortController().signal);
  return { facts, options: context.options };
}

/** The facts with what one node says of itself changed. */
export function withInspection(
  facts: Facts,
  name: string,
  change: (found: NodeInspection) => NodeInspection,
): Facts {
  return withNode(facts, name, (node) =>
    node.inspection.kind === 'answer'
      ? { ...node, inspection: { kind: 'answer', value: change(node.inspection.value) } }
      : node,
  );
}

export function withNode(facts: Facts, name: string, change: (node: NodeFacts) => NodeFacts): Facts {
  return { ...facts, nodes: facts.nodes.map((node) => (node.name === name ? change(node) : node)) };
}
