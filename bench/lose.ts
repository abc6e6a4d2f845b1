/** One loss of the primary under load, seen from the clients and from a prober of each node. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../playground/client.js';
import type { HostStatus } from '../playground/protocol.js';
import { machineClock } from './clock.js';
import { rolesOf, type Roles } from './cluster.js';
import { daemonLines, type DaemonLine } from './daemon-logs.js';
import { faults, type FaultName } from './faults.js';
import { fencingOf } from './fencing.js';
import type { InsideProgram } from './inside-program.js';
import type { LoadRecord, ProbeRecord, Target } from './records.js';
import {
  idsIn,
  makeTables,
  spreadOver,
  startLoad,
  startProber,
  stopLoad,
  type ClientsView,
} from './under-load.js';

export interface LossOptions {
  readonly fault: FaultName;
  /** Over the bouncers of the surviving Postgres nodes and app hosts. */
  readonly clients: number;
  /** Load before the fault, and after every client was answered again. */
  readonly leadMs: number;
  readonly signal: AbortSignal;
}

export interface LossResult extends ClientsView {
  readonly before: Roles;
  /** When the fault was ordered, and when it was done. */
  readonly struck: { readonly from: number; readonly to: number };
  /** Who takes writes now, and since when. */
  readonly primary: HostStatus;
  readonly writable: number;
  readonly targets: readonly Target[];
  /** The ids that the primary of now has. */
  readonly present: ReadonlySet<number>;
  /** How long it took to fence the lost host; undefined when it was not fenced. */
  readonly fencing: number | undefined;
  /** What the daemons of the hosts that are on logged since the fault. */
  readonly daemons: readonly DaemonLine[];
}

interface Writable {
  readonly node: HostStatus;
  readonly at: number;
}

type Probers = ReadonlyMap<HostStatus, InsideProgram<ProbeRecord>>;

/** Three of them share the machine with the cluster. */
const probeIntervalMs = 10;
const lookEveryMs = 50;
/** Beyond all that a manager and PgBouncer wait for. */
const backWithinMs = 90_000;

export async function loseUnderLoad(playground: Playground, options: LossOptions): Promise<LossResult> {
  const { signal } = options;
  const before = await rolesOf(playground);
  await makeTables(playground, before.primary.name);
  const hosts = await playground.hosts();
  const survivors = hosts.filter(({ name, kind }) => kind !== 'client' && name !== before.primary.name);
  const targets = spreadOver(survivors, options.clients);
  const nodes = hosts.filter(({ kind }) => kind === 'postgres');
  const probers: Probers = new Map(
    await Promise.all(
      nodes.map(async (node) => [node, await startProber(playground, node, probeIntervalMs)] as const),
    ),
  );
  const load = await startLoad(playground, targets);
  try {
    const states = [...probers].map(([{ name }, prober]) =>
      prober.reached(name === before.primary.name ? 'writable' : 'recovery', signal),
    );
    await Promise.all([...states, load.reached('started', signal)]);
    const strike = await faults[options.fault].prepare(playground, before.primary);
    await delay(options.leadMs, undefined, { signal });
    const from = machineClock();
    await strike();
    const struck = { from, to: machineClock() };
    const { node, at } = await untilBack(load, probers, struck.from, options);
    await delay(options.leadMs, undefined, { signal });
    const clients = await stopLoad(load);
    await Promise.all([...probers.values()].map((prober) => prober.stop(5_000)));
    return {
      ...{ before, struck, primary: node, writable: at, targets, ...clients },
      present: await idsIn(playground, node.name),
      fencing: await fencingOf(
        playground,
        nodes.map(({ name }) => name).filter((name) => name !== before.primary.name),
        before.primary.name,
      ),
      daemons: await daemonLines(playground, { started: struck.from, ended: machineClock() }),
    };
  } finally {
    load.kill();
    for (const prober of probers.values()) prober.kill();
  }
}

/** Until a node takes writes and every client was answered after that. @throws when that takes too long */
async function untilBack(
  load: InsideProgram<LoadRecord>,
  probers: Probers,
  since: number,
  { clients, signal }: LossOptions,
): Promise<Writable> {
  const deadline = machineClock() + backWithinMs;
  for (;;) {
    const writable = firstWritable(probers, since);
    const answered = writable === undefined ? 0 : answeredSince(load.records, writable.at).size;
    if (writable !== undefined && answered === clients) return writable;
    if (machineClock() > deadline) {
      throw new Error(
        writable === undefined
          ? `no node takes writes ${backWithinMs / 1_000} s after the fault`
          : `${writable.node.name} takes writes, but after ${backWithinMs / 1_000} s only ${answered} of ${clients} clients do`,
      );
    }
    await delay(lookEveryMs, undefined, { signal });
  }
}

function firstWritable(probers: Probers, since: number): Writable | undefined {
  const found = [...probers].flatMap(([node, { records }]) => {
    const record = records.find((one) => one.kind === 'writable' && one.at > since);
    return record?.kind === 'writable' ? [{ node, at: record.at }] : [];
  });
  return found.sort((one, other) => one.at - other.at)[0];
}

/** The clients of which a statement was acknowledged that they sent after this. */
export function answeredSince(records: readonly LoadRecord[], since: number): ReadonlySet<number> {
  const clients = new Set<number>();
  for (let index = records.length - 1; index >= 0; index--) {
    const record = records[index];
    if (record?.kind !== 'ack') continue;
    if (record.sent > since) clients.add(record.client);
    // They are in the order of their answers.
    if (record.done < since) break;
  }
  return clients;
}
