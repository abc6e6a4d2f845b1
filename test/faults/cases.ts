import type { HoldPoint } from './hold.js';

/** What dies or freezes, in which step of a switchover. */

export const victims = [
  'command',
  'supervise-old',
  'supervise-target',
  'supervise-third',
  'proxy-app',
  'bouncer-app',
  'etcd-leader',
  'etcd-member',
] as const;
export type Victim = (typeof victims)[number];

export const signals = ['SIGKILL', 'SIGSTOP'] as const;
export type FaultSignal = (typeof signals)[number];

export const stepNames = [
  'check',
  'lock',
  'checkpoint',
  'pause',
  'migrate',
  'release',
  'unmigrate',
  'rejoin',
  'unlock',
] as const;
export type StepName = (typeof stepNames)[number];

export interface FaultCase {
  readonly name: string;
  readonly victim: Victim;
  readonly signal: FaultSignal;
  readonly step: StepName;
}

/**
 * Where in a step the fault strikes: where most is at stake. `lock` holds its lock by then, `pause` has
 * every acknowledgement, and of `migrate` the cluster manager has accepted the move, which goes on.
 */
export const holdPointOf: Readonly<Record<StepName, HoldPoint>> = {
  check: 'begin',
  lock: 'end',
  checkpoint: 'begin',
  pause: 'end',
  migrate: 'answer',
  release: 'begin',
  unmigrate: 'begin',
  rejoin: 'begin',
  unlock: 'begin',
};

export function faultCase(victim: Victim, signal: FaultSignal, step: StepName): FaultCase {
  return { name: `${victim} ${signal} ${step}`, victim, signal, step };
}

export const allCases: readonly FaultCase[] = victims.flatMap((victim) =>
  signals.flatMap((signal) => stepNames.map((step) => faultCase(victim, signal, step))),
);

/** Every victim with both signals, and every step: what a run of all tests takes. */
export const subset: readonly FaultCase[] = [
  faultCase('command', 'SIGKILL', 'migrate'),
  faultCase('command', 'SIGSTOP', 'pause'),
  faultCase('supervise-old', 'SIGKILL', 'checkpoint'),
  faultCase('supervise-old', 'SIGSTOP', 'rejoin'),
  faultCase('supervise-target', 'SIGKILL', 'pause'),
  faultCase('supervise-target', 'SIGSTOP', 'migrate'),
  faultCase('supervise-third', 'SIGKILL', 'unmigrate'),
  faultCase('supervise-third', 'SIGSTOP', 'check'),
  faultCase('proxy-app', 'SIGKILL', 'lock'),
  faultCase('proxy-app', 'SIGSTOP', 'release'),
  faultCase('bouncer-app', 'SIGKILL', 'pause'),
  faultCase('bouncer-app', 'SIGSTOP', 'checkpoint'),
  faultCase('etcd-leader', 'SIGKILL', 'migrate'),
  faultCase('etcd-leader', 'SIGSTOP', 'lock'),
  faultCase('etcd-member', 'SIGKILL', 'unlock'),
  faultCase('etcd-member', 'SIGSTOP', 'release'),
  faultCase('command', 'SIGKILL', 'release'),
];
