import type { Playground, UpOptions } from '../../playground/client.js';
import type { HostStatus } from '../../playground/protocol.js';
import type { Target } from '../records.js';

export const events = ['switchover', 'loss'] as const;
export type PeerEvent = (typeof events)[number];

/** What one cluster manager is to the comparison: how it comes up, moves its primary, and is mended. */
export interface Contender {
  readonly name: string;
  /** What its hosts are, and what they run. */
  readonly up: Pick<UpOptions, 'agent' | 'until' | 'instead'>;
  /** The Debian packages that it is made of, beside PostgreSQL. */
  readonly packages: readonly string[];
  readonly ways: readonly Way[];
  /** Once the hosts are on: until the cluster does its work. */
  begin(playground: Playground, signal: AbortSignal): Promise<void>;
  /** A planned switchover, as its documentation says it is ordered. @throws Refused when it was not begun */
  move(playground: Playground, primary: HostStatus, signal: AbortSignal): Promise<void>;
  /** Until the cluster is as before the move, but for who is primary. */
  settle(playground: Playground, signal: AbortSignal): Promise<void>;
  /** The same after its primary's host lost its power, with what an operator has to do. */
  restore(playground: Playground, lost: HostStatus, primary: HostStatus, signal: AbortSignal): Promise<void>;
}

/** How clients find the primary; each is measured by itself, on the same cluster. */
export interface Way {
  /** Its key in the report. */
  readonly key: string;
  readonly title: string;
  /** Measured when this happens; always unless given. */
  readonly only?: PeerEvent;
  /** Settings of the cluster that belong to it. */
  prepare?(playground: Playground, signal: AbortSignal): Promise<void>;
  /** @param hosts where they could connect to */
  targets(hosts: readonly HostStatus[], clients: number): readonly Target[];
  /** Clients know all Postgres nodes, and go past those that are gone. */
  readonly choosesHost?: boolean;
}

/** The manager did not even begin: nothing was touched, and it can be asked again. */
export class Refused extends Error {}

export function ofKind(hosts: readonly HostStatus[], kind: HostStatus['kind']): readonly HostStatus[] {
  return hosts.filter((host) => host.kind === kind);
}

/** Clients that know all nodes, and choose the one that takes writes: libpq's multi-host connection strings. */
export function multiHost(nodes: readonly HostStatus[], clients: number): readonly Target[] {
  const [first, ...others] = nodes;
  if (first === undefined) throw new Error('no Postgres node to connect to');
  const name = nodes.map((node) => node.name).join(',');
  return [{ name, host: first.address, others: others.map(({ address }) => address), port: 5432, clients }];
}
