/** One move or one loss of the primary under load, seen from the clients. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../../playground/client.js';
import type { HostStatus } from '../../playground/protocol.js';
import { machineClock } from '../clock.js';
import type { InsideProgram } from '../inside-program.js';
import { answeredSince } from '../lose.js';
import type { LoadRecord, Target } from '../records.js';
import { idsIn, makeTables, startLoad, stopLoad, type ClientsView } from '../under-load.js';
import type { Contender, PeerEvent, Way } from './contender.js';
import { primaryOf } from './replication.js';

export interface Observation extends ClientsView {
  readonly from: HostStatus;
  readonly to: HostStatus;
  /** When the move was ordered, or the power was taken away. */
  readonly struck: number;
  readonly targets: readonly Target[];
  /** The ids that the new primary has. */
  readonly present: ReadonlySet<number>;
}

export interface ObserveOptions {
  readonly event: PeerEvent;
  readonly clients: number;
  readonly signal: AbortSignal;
}

/** Load before the event, and after every client was answered again. */
const leadMs = 3_000;
const lookEveryMs = 50;
/** Beyond all that a manager waits for. */
const backWithinMs = 150_000;

/** @throws when there was nothing to measure: no new primary, or clients that do not come back */
export async function observe(
  playground: Playground,
  contender: Contender,
  way: Way,
  options: ObserveOptions,
): Promise<Observation> {
  const { event, clients, signal } = options;
  const from = await primaryOf(playground);
  await makeTables(playground, from.name);
  const hosts = await playground.hosts();
  const staying = event === 'loss' ? hosts.filter(({ name }) => name !== from.name) : hosts;
  // Who chooses the host himself has the lost one in his list, too.
  const targets = way.targets(way.choosesHost === true ? hosts : staying, clients);
  const load = await startLoad(playground, targets);
  try {
    await load.reached('started', signal);
    await delay(leadMs, undefined, { signal });
    const struck = machineClock();
    await (event === 'loss' ? playground.kill(from.name) : contender.move(playground, from, signal));
    await untilAnswered(load, clients, signal);
    await delay(leadMs, undefined, { signal });
    const view = await stopLoad(load);
    const to = await primaryOf(playground);
    if (to.name === from.name) throw new Error(`${contender.name}: ${from.name} is still the primary`);
    return { ...{ from, to, struck, targets, ...view }, present: await idsIn(playground, to.name) };
  } finally {
    load.kill();
  }
}

/** Until every client was answered once more. */
async function untilAnswered(
  load: InsideProgram<LoadRecord>,
  clients: number,
  signal: AbortSignal,
): Promise<void> {
  const since = machineClock();
  for (;;) {
    const answered = answeredSince(load.records, since).size;
    if (answered === clients) return;
    if (machineClock() > since + backWithinMs) {
      throw new Error(`after ${backWithinMs / 1_000} s only ${answered} of ${clients} clients write again`);
    }
    await delay(lookEveryMs, undefined, { signal });
  }
}
