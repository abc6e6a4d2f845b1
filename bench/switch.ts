/** One switchover under load, seen from the clients and from an independent prober. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../playground/client.js';
import type { HostKind } from '../playground/plan.js';
import { isPrimary, rolesOf, type Roles } from './cluster.js';
import { daemonLines, moveIssuedAt, type DaemonLine } from './daemon-logs.js';
import { runFailover, type FailoverRun } from './failover-command.js';
import type { ProbeRecord, Target } from './records.js';
import {
  idsIn,
  makeTables,
  spreadOver,
  startLoad,
  startProber,
  stopLoad,
  type ClientsView,
} from './under-load.js';

/** So many clients, spread evenly over the bouncers of these kinds of hosts. */
export interface Spread {
  readonly kinds: readonly HostKind[];
  readonly clients: number;
}

export interface SwitchOptions {
  /** How many clients write through the bouncers of which hosts. */
  readonly spread: readonly Spread[];
  /** Load before the command starts, and after it has ended. */
  readonly leadMs: number;
  readonly format: 'json' | 'logfmt';
  /** More flags for the command. */
  readonly flags?: readonly string[];
  /** Another load beside the clients: started before the lead, ended after it. */
  readonly beside?: (roles: Roles) => Promise<{ stop(): Promise<void> }>;
  readonly onLog?: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface SwitchResult extends ClientsView {
  readonly before: Roles;
  /** The nodes that take writes afterwards. */
  readonly primaries: readonly string[];
  readonly command: FailoverRun;
  readonly targets: readonly Target[];
  /** The ids that the new primary itself has; empty when there is none. */
  readonly present: ReadonlySet<number>;
  /** What the daemons logged meanwhile. */
  readonly daemons: readonly DaemonLine[];
  /** When Pacemaker was asked to move, and when the target acknowledged a write to the prober. */
  readonly moveIssued: number | undefined;
  readonly writable: number | undefined;
  /** The prober's longest time between two looks. */
  readonly longestProbeGap: number;
}

const probeIntervalMs = 5;

export async function switchUnderLoad(playground: Playground, options: SwitchOptions): Promise<SwitchResult> {
  const { signal } = options;
  const before = await rolesOf(playground);
  await makeTables(playground, before.primary.name);
  const targets = await targetsOf(playground, options.spread);
  const beside = await options.beside?.(before);
  const prober = await startProber(playground, before.sync, probeIntervalMs);
  const load = await startLoad(playground, targets);
  try {
    await Promise.all([prober.reached('recovery', signal), load.reached('started', signal)]);
    await delay(options.leadMs, undefined, { signal });
    // From the node that is neither, so that neither's work is the command's.
    const command = await runFailover(playground, await commandNode(playground, before), options);
    await delay(options.leadMs, undefined, { signal });
    const clients = await stopLoad(load);
    await prober.stop(5_000);
    await beside?.stop();
    const seen = { before, command, targets, ...clients, ...probersView(prober.records) };
    return { ...seen, ...(await afterwards(playground, before, command)) };
  } finally {
    load.kill();
    prober.kill();
    await beside?.stop();
  }
}

async function targetsOf(playground: Playground, spread: readonly Spread[]): Promise<Target[]> {
  const hosts = await playground.hosts();
  return spread.flatMap(({ kinds, clients }) =>
    spreadOver(
      hosts.filter(({ kind }) => kinds.includes(kind)),
      clients,
    ),
  );
}

async function commandNode(playground: Playground, { primary, sync }: Roles): Promise<string> {
  const nodes = await playground.hosts('postgres');
  const third = nodes.find(({ name }) => name !== primary.name && name !== sync.name);
  return (third ?? sync).name;
}

function probersView(records: readonly ProbeRecord[]): Pick<SwitchResult, 'writable' | 'longestProbeGap'> {
  const writable = records.find((record) => record.kind === 'writable');
  const ended = records.find((record) => record.kind === 'ended');
  return { writable: writable?.at, longestProbeGap: ended?.longestGap ?? Number.NaN };
}

async function afterwards(
  playground: Playground,
  { sync }: Roles,
  command: FailoverRun,
): Promise<Pick<SwitchResult, 'primaries' | 'present' | 'daemons' | 'moveIssued'>> {
  const nodes = (await playground.hosts('postgres')).map(({ name }) => name);
  const answers = await Promise.all(nodes.map((name) => isPrimary(playground, name)));
  const primaries = nodes.filter((_, index) => answers[index]);
  const [primary] = primaries;
  const daemons = await daemonLines(playground, command);
  return {
    primaries,
    daemons,
    present: primary === undefined ? new Set() : await idsIn(playground, primary),
    moveIssued: moveIssuedAt(daemons, sync.name),
  };
}

/** Client numbers of the targets that match, in the order in which the load numbers them. */
export function clientsOf(targets: readonly Target[], match: (target: Target) => boolean): number[] {
  return targets
    .flatMap((target) => Array.from({ length: target.clients }, () => target))
    .flatMap((target, number) => (match(target) ? [number] : []));
}
