import type { Playground } from './client.js';
import type { RunResult } from './exec.js';
import type { HostStatus } from './protocol.js';

/** What the cluster's own programs say about it; `undefined` where none of them answered. */
export interface ClusterView {
  readonly quorum: boolean;
  /** Pacemaker's designated controller. */
  readonly controller: string | undefined;
  readonly online: readonly string[];
  /** The node on which Pacemaker has promoted PostgreSQL. */
  readonly primary: string | undefined;
  /** The nodes on which PostgreSQL runs as a standby. */
  readonly standbys: readonly string[];
  /** The nodes with a promotion score above 0: Pacemaker may promote them, and no others. */
  readonly promotable: readonly string[];
}

/** The master key's value in etcd is the primary's bare address. */
const masterKey = '/master';
const lookTimeoutMs = 10_000;

export async function look(playground: Playground, node: string): Promise<ClusterView> {
  const result = await playground.exec(node, ['crm_mon', '-1', '--output-as=xml'], {
    timeoutMs: lookTimeoutMs,
  });
  return parseCrmMon(result.stdout);
}

/** @param xml of `crm_mon --output-as=xml`; anything else is a cluster that says nothing */
export function parseCrmMon(xml: string): ClusterView {
  const controller = /<current_dc [^>]*>/.exec(xml)?.[0] ?? '';
  const nodes = /<nodes>([\s\S]*?)<\/nodes>/.exec(xml)?.[1] ?? '';
  const online = [...nodes.matchAll(/<node [^>]*>/g)]
    .map(([tag]) => tag)
    .filter((tag) => attribute(tag, 'online') === 'true');
  // Not those without content (`<resource .../>`): an instance that runs nowhere.
  const inRole = (...roles: readonly string[]): string[] =>
    [...xml.matchAll(/<resource ([^>]*[^/>])>([\s\S]*?)<\/resource>/g)]
      .filter(([, tag = '']) => roles.includes(attribute(tag, 'role') ?? ''))
      .flatMap(([, , body = '']) => attribute(/<node [^>]*>/.exec(body)?.[0] ?? '', 'name') ?? []);
  return {
    quorum: attribute(controller, 'with_quorum') === 'true',
    controller: attribute(controller, 'name'),
    online: online.flatMap((tag) => attribute(tag, 'name') ?? []),
    primary: inRole('Promoted', 'Master')[0],
    standbys: inRole('Unpromoted', 'Slave'),
    promotable: promotableNodes(/<node_attributes>([\s\S]*?)<\/node_attributes>/.exec(xml)?.[1] ?? ''),
  };
}

/** Promotion scores are node attributes named master-RESOURCE; an agent sets them with `crm_attribute -p`. */
function promotableNodes(attributes: string): string[] {
  return [...attributes.matchAll(/<node name="([^"]*)">([\s\S]*?)<\/node>/g)].flatMap(
    ([, name = '', own = '']) => {
      const score = /<attribute name="master-[^"]*" value="([^"]*)"/.exec(own)?.[1] ?? '';
      return score === 'INFINITY' || Number(score) > 0 ? [name] : [];
    },
  );
}

function attribute(tag: string, name: string): string | undefined {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
}

/**
 * What is still missing before the cluster does its work, as a sentence; undefined when nothing is.
 * In the order in which things come up, so each look costs one or two commands only.
 * @throws when something will not come any more: a host that is off
 */
export type Missing = string | undefined;

export async function missingInCluster(playground: Playground): Promise<Missing> {
  const { hosts } = await playground.status();
  const nodes = hosts.filter(({ kind }) => kind === 'postgres');
  const slow = hosts
    .filter(({ started }) => !started)
    .map(({ name, power, reason = '' }) => (power === 'off' ? `${name} (off: ${reason})` : name));
  if (slow.length > 0) return `the services of ${slow.join(', ')} to be started`;
  const [first] = nodes;
  if (first === undefined) return undefined;
  const view = await look(playground, first.name);
  const missing = missingInView(view, nodes);
  if (missing !== undefined) return missing;
  const primary = nodes.find(({ name }) => name === view.primary);
  if (primary === undefined) return 'PostgreSQL to be promoted on a node';
  return (
    (await missingReplication(playground, view, primary, nodes.length - 1)) ??
    (await missingEtcd(playground, primary, nodes)) ??
    (await missingBouncers(playground, primary, hosts))
  );
}

function missingInView(view: ClusterView, nodes: readonly HostStatus[]): Missing {
  if (!view.quorum) return 'Corosync to have quorum';
  if (view.controller === undefined) return 'Pacemaker to elect its controller';
  const offline = nodes.map(({ name }) => name).filter((name) => !view.online.includes(name));
  if (offline.length > 0) return `${offline.join(', ')} to be online in Pacemaker`;
  return undefined;
}

async function missingReplication(
  playground: Playground,
  view: ClusterView,
  primary: HostStatus,
  standbys: number,
): Promise<Missing> {
  const query =
    "select count(*) filter (where sync_state = 'sync'), count(*) from pg_stat_replication where state = 'streaming'";
  const result = await playground.exec(primary.name, asPostgres('psql', '-XAtc', query), {
    timeoutMs: lookTimeoutMs,
  });
  if (result.status !== 0) return `PostgreSQL on ${primary.name} to answer (${lastLine(result)})`;
  const [sync = 0, streaming = 0] = result.stdout.trim().split('|').map(Number);
  if (streaming < standbys)
    return `the standbys to stream from ${primary.name} (${streaming} of ${standbys} do)`;
  if (standbys > 0 && sync !== 1) return 'one standby to be synchronous';
  // The agent looks only now and then: before that, the loss of the primary would find no successor.
  if (standbys > 0 && !view.promotable.some((name) => name !== primary.name))
    return 'a standby to be promotable in Pacemaker';
  return undefined;
}

async function missingEtcd(
  playground: Playground,
  primary: HostStatus,
  nodes: readonly HostStatus[],
): Promise<Missing> {
  const endpoints = `--endpoints=${nodes.map(({ address }) => `http://${address}:2379`).join(',')}`;
  const etcdctl = (...args: string[]): Promise<RunResult> =>
    playground.exec(primary.name, ['env', 'ETCDCTL_API=3', 'etcdctl', endpoints, ...args], {
      timeoutMs: lookTimeoutMs,
    });
  const health = await etcdctl('endpoint', 'health');
  if (health.status !== 0) return `every etcd member to be healthy (${lastLine(health)})`;
  const key = await etcdctl('get', '--print-value-only', masterKey);
  const value = key.stdout.trim();
  if (value !== primary.address) return `${masterKey} in etcd to name ${primary.address} (it has '${value}')`;
  return undefined;
}

async function missingBouncers(
  playground: Playground,
  primary: HostStatus,
  hosts: readonly HostStatus[],
): Promise<Missing> {
  const client = hosts.find(({ kind }) => kind === 'client') ?? primary;
  const bouncers = hosts.filter(({ kind }) => kind !== 'client');
  const wrong = await Promise.all(
    bouncers.map(async ({ name, address }) => {
      const target = `host=${address} port=6432 dbname=app user=app connect_timeout=2`;
      const query = 'select host(inet_server_addr()), pg_is_in_recovery()';
      const result = await playground.exec(client.name, ['psql', '-XAtc', query, target], {
        timeoutMs: lookTimeoutMs,
      });
      if (result.status !== 0) return `${name}: ${lastLine(result)}`;
      return result.stdout.trim() === `${primary.address}|f`
        ? []
        : `${name}: leads to ${result.stdout.trim()}`;
    }),
  );
  const complaints = wrong.flat();
  return complaints.length === 0
    ? undefined
    : `every bouncer to lead to ${primary.name} (${complaints.join('; ')})`;
}

export function asPostgres(...argv: readonly string[]): string[] {
  return ['runuser', '-u', 'postgres', '--', ...argv];
}

function lastLine({ status, stdout, stderr }: RunResult): string {
  return (stderr.trim() || stdout.trim()).split('\n').at(-1) || `status ${status}`;
}
