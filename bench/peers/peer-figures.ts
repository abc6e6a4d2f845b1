/** What the clients of a contender saw, in figures. Pure. */
import {
  longestGap,
  longestWait,
  lostAndDoubt,
  mostPerClient,
  slowestRate,
  spread,
  type Spread,
} from '../measure.js';
import { clientsOf } from '../switch.js';
import type { Observation } from './observe.js';

/** Of one run, in milliseconds and counts. */
export interface PeerRun {
  readonly stall: number;
  readonly maxWait: number;
  readonly errors: number;
  readonly errorsPerClient: number;
  readonly lost: number;
  readonly doubt: number;
  /** Acknowledged statements a second of the slowest client, before the event. */
  readonly rate: number;
}

/** Of several runs, as the report has them. */
export interface PeerFigures {
  readonly runs: number;
  readonly stall_ms: Spread;
  readonly max_wait_ms: Spread;
  /** In one run. */
  readonly errors: Spread;
  readonly errors_per_client_max: number;
  /** Over all runs. */
  readonly lost: number;
  readonly doubt: number;
}

export function peerRun({ window, struck, targets, acks, failures, present }: Observation): PeerRun {
  const gap = longestGap(acks, window);
  const { lost, doubt } = lostAndDoubt(acks, failures, present);
  const clients = clientsOf(targets, () => true);
  return {
    stall: gap.to - gap.from,
    maxWait: longestWait(acks),
    errors: failures.length,
    errorsPerClient: mostPerClient(failures),
    lost: lost.length,
    doubt: doubt.length,
    rate: slowestRate(acks, clients, { from: window.from, to: struck }),
  };
}

export function summarisePeer(runs: readonly PeerRun[]): PeerFigures {
  const total = (of: (run: PeerRun) => number): number => runs.reduce((sum, run) => sum + of(run), 0);
  return {
    runs: runs.length,
    stall_ms: spread(runs.map(({ stall }) => stall)),
    max_wait_ms: spread(runs.map(({ maxWait }) => maxWait)),
    errors: spread(runs.map(({ errors }) => errors)),
    errors_per_client_max: Math.max(0, ...runs.map(({ errorsPerClient }) => errorsPerClient)),
    lost: total(({ lost }) => lost),
    doubt: total(({ doubt }) => doubt),
  };
}

export function inWords({ stall, maxWait, errors, errorsPerClient, lost, doubt }: PeerRun): string {
  const ms = (value: number): string => `${Math.round(value)} ms`;
  return (
    `stall ${ms(stall)}; longest wait ${ms(maxWait)}; ${errors} errors, at most ${errorsPerClient} a client, ` +
    `${lost} lost, ${doubt} in doubt`
  );
}
