/** Where the time goes in which clients wait: what happened when, from the logs of all. Pure. */
import { onMachineClock } from './clock.js';
import type { DaemonLine } from './daemon-logs.js';
import { stepOf } from './failover-command.js';
import { longestGap, spread, type Spread } from './measure.js';
import type { SwitchResult } from './switch.js';

/** Something that happened, on the machine's clock. */
export interface Moment {
  readonly at: number;
  readonly what: string;
}

/**
 * The moments on the way of a waiting client, in the order in which they have to happen. One that no
 * log tells of is left out.
 */
export interface Milestones {
  readonly started: number;
  /** The last acknowledged write before the stall. */
  readonly stalled: number;
  /** Every bouncer was paused, as the command saw it. */
  readonly paused?: number;
  readonly moveIssued?: number;
  /** As the prober saw it. */
  readonly writable?: number;
  readonly published?: number;
  /** The last proxy led its bouncers to the new primary. */
  readonly applied?: number;
  /** The command let clients go on. */
  readonly released?: number;
  /** The first and the last bouncer ran again. */
  readonly resumed?: number;
  readonly allResumed?: number;
  /** The first acknowledged write after the stall. */
  readonly written: number;
}

/** The stretches between neighbours of this list are what is printed and summed up. */
const way = [
  'started',
  'stalled',
  'paused',
  'moveIssued',
  'writable',
  'published',
  'released',
  'resumed',
  'written',
] as const satisfies readonly (keyof Milestones)[];

export function milestonesOf(result: SwitchResult): Milestones {
  const { command, daemons, before, window, acks } = result;
  const stall = longestGap(acks, window);
  const target = before.sync.address;
  const steps = command.lines.map((line) => ({
    at: onMachineClock(line.ts),
    event: line.event,
    step: stepOf(line),
  }));
  const inStall = ({ at }: Moment | DaemonLine): boolean => at > stall.from - 50 && at < stall.to + 2_000;
  const of = (event: string): DaemonLine[] => daemons.filter((line) => line.event === event && inStall(line));
  const led = (line: DaemonLine): boolean => [line.fields['host'], line.fields['addr']].includes(target);
  const resumed = of('pgbouncer.resumed').filter(({ fields }) => fields['outcome'] !== 'was-not-paused');
  return defined({
    started: command.started,
    stalled: stall.from,
    paused: steps.find(({ event, step }) => event === 'step.end' && step === 'pause')?.at,
    moveIssued: result.moveIssued,
    writable: result.writable,
    published: of('etcd.update').find(led)?.at,
    applied: of('route.applied').filter(led).at(-1)?.at,
    released: steps.find(({ event, step }) => event.endsWith('.start') && step === 'release')?.at,
    resumed: resumed[0]?.at,
    allResumed: resumed.at(-1)?.at,
    written: stall.to,
  });
}

function defined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, at]) => at !== undefined)) as T;
}

/** From each moment that is known to the next one that is. Below 0: it came before the one it follows. */
export function stretches(milestones: Milestones): Map<string, number> {
  const known = way.filter((name) => milestones[name] !== undefined);
  return new Map(
    known.slice(1).map((name, index) => {
      const previous = known[index] ?? name;
      return [`${previous}_to_${name}`, (milestones[name] ?? 0) - (milestones[previous] ?? 0)];
    }),
  );
}

/** What is told of one run: every event of the command and the daemons about the stall, in order. */
export function story(result: SwitchResult): string[] {
  const milestones = milestonesOf(result);
  const seen: Moment[] = [
    ...Object.entries(milestones).map(([name, at]) => ({ at: at as number, what: `== ${name}` })),
    ...result.command.lines.map(({ ts, event, fields }) => ({
      at: onMachineClock(ts),
      what: `failover: ${event} ${details(fields)}`,
    })),
    ...result.daemons.map(({ at, host, daemon, event, fields }) => ({
      at,
      what: `${host} ${daemon}: ${event} ${details(fields)}`,
    })),
  ];
  return seen
    .filter(({ at }) => at <= milestones.written + 200)
    .sort((a, b) => a.at - b.at)
    .map(({ at, what }) => `${(at - milestones.stalled).toFixed(0).padStart(8)} ms  ${what.trimEnd()}`);
}

const common = new Set(['ts', 'level', 'event', 'msg', 'id']);
const longestDetail = 140;

/** A log line's own fields. */
export function details(fields: Readonly<Record<string, unknown>>): string {
  const own = Object.entries(fields).filter(([name]) => !common.has(name));
  const text = own.map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return text.join(' ').slice(0, longestDetail);
}

/** The stretches of all runs that have them. */
export function summariseStretches(runs: readonly Milestones[]): Record<string, Spread> {
  const all = runs.map(stretches);
  const names = new Set(all.flatMap((one) => [...one.keys()]));
  return Object.fromEntries(
    [...names].map((name) => [`${snake(name)}_ms`, spread(all.flatMap((one) => one.get(name) ?? []))]),
  );
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
