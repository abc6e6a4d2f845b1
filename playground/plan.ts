/** The names and addresses of a playground's hosts. */

export type HostKind = 'postgres' | 'app' | 'client';

/** The resource agent that runs PostgreSQL: ocf:heartbeat:pgsql, or pgcm's own. */
export const agentNames = ['stock', 'pgcm'] as const;
export type AgentName = (typeof agentNames)[number];

export interface HostPlan {
  /** pg01.., app01.., client01: also the host name. */
  readonly name: string;
  readonly kind: HostKind;
  /** IPv4 address in the playground's own network, 10.77.0.0/24. */
  readonly address: string;
}

/** The addresses leave room for this many of each kind. */
export const maxHosts = 9;

/** @returns the hosts of a playground: Postgres nodes first, then app hosts, then the one client. */
export function planHosts(nodes: number, apps: number): HostPlan[] {
  return [
    ...series('pg', 'postgres', nodes, 10),
    ...series('app', 'app', apps, 100),
    { name: 'client01', kind: 'client', address: '10.77.0.201' },
  ];
}

function series(prefix: string, kind: HostKind, count: number, base: number): HostPlan[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `${prefix}${String(index + 1).padStart(2, '0')}`,
    kind,
    address: `10.77.0.${base + index + 1}`,
  }));
}
