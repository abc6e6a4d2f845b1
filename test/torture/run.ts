import { setMaxListeners } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { machineClock } from '../../bench/clock.js';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import { messageOf } from '../../playground/errors.js';
import type { Cluster } from '../acceptance/cluster.js';
import { withoutOne } from './absence.js';
import { untilHealthy } from './calm.js';
import { violations } from './checks.js';
import { Course, type Storm } from './course.js';
import { collectEvidence } from './evidence.js';
import { faultKinds, type FaultKind } from './kinds.js';
import { longestStall, reignsOf } from './ledger.js';
import type { TortureOptions } from './options.js';
import { Site } from './site.js';
import { rage, switchOn, tidy } from './storm.js';
import { Timeline } from './timeline.js';
import { Writers } from './writers.js';

const minuteMs = 60_000;
/** Longer than any course: the writers of a test that was killed end by themselves. */
const spareSeconds = 1_200;
const followMs = 250;
const calmSwitchOnMs = 1_000;
const leastPerMinute = 6;
/** From so many on every kind has its turn. */
const minutesForAll = 10;

export interface TortureResult {
  readonly violations: readonly string[];
  readonly figures: Readonly<Record<string, unknown>>;
  /** Where the timeline is, and with violations the logs. */
  readonly folder: string;
}

/** Storm, calm, look; until the time is over. It ends with the first violation, so that the cluster can be looked at. */
export async function torture(
  cluster: Cluster,
  options: TortureOptions,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<TortureResult> {
  const folder = join(options.out, `seed-${options.seed}-${new Date().toISOString().replaceAll(':', '')}`);
  mkdirSync(folder, { recursive: true });
  const timeline = new Timeline(join(folder, 'timeline.txt'), print);
  const say = (what: string): void => timeline.say(what);
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  // Each fault of a storm waits with it.
  setMaxListeners(0, ended);
  await hadSwitchover(cluster.playground);
  const writers = await Writers.start(cluster, options.minutes * 60 + spareSeconds);
  const site = new Site(cluster, writers, (what) => say(`  (${what})`), ended);
  const follow = setInterval(() => timeline.follow(writers.records), followMs);
  say(`seed ${options.seed}, agent ${options.agent}, fencing ${options.fencing ? 'on' : 'off'}`);
  try {
    const course = new Weather(site, options, say, ended);
    const found = await course.run();
    if (found.length > 0) await collectEvidence(site, folder);
    for (const violation of found) say(`VIOLATION: ${violation}`);
    return { violations: found, folder, figures: { ...course.figures(), violations: found.length } };
  } finally {
    stop.abort();
    clearInterval(follow);
    await writers.stop().catch((error: unknown) => say(`  (${messageOf(error)})`));
    await Promise.all(site.commands);
  }
}

/** Storms and calms of one run. */
class Weather {
  readonly #start = machineClock();
  readonly #struck: FaultKind[] = [];
  readonly #recoveries: number[] = [];
  readonly #absences: number[] = [];

  constructor(
    private readonly site: Site,
    private readonly options: TortureOptions,
    private readonly say: (what: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  /** @returns the violations of the storm after which there were any */
  async run(): Promise<readonly string[]> {
    const course = new Course(this.options.seed, this.options.opener);
    const first = await this.#calm();
    if (first.length > 0) return first;
    while (machineClock() - this.#start < this.options.minutes * minuteMs) {
      const found = await this.#weather(course.next());
      if (found.length > 0) return found;
    }
    return this.#tooLittle();
  }

  /** A run that found nothing because it tried little has shown nothing. */
  #tooLittle(): readonly string[] {
    const { minutes, opener } = this.options;
    // Of the minutes that were asked for: how long the last calm takes is the machine's affair.
    const least = leastPerMinute * minutes;
    const few = this.#struck.length < least;
    const missing =
      minutes < minutesForAll || opener !== undefined
        ? []
        : faultKinds.filter((kind) => !this.#struck.includes(kind));
    return [
      ...(few
        ? [`too little was tried: ${this.#struck.length} faults in ${minutes} minutes, not ${least}`]
        : []),
      ...(missing.length > 0 ? [`not tried in ${minutes} minutes: ${missing.join(', ')}`] : []),
    ];
  }

  async #weather(storm: Storm): Promise<readonly string[]> {
    const { site, say } = this;
    const quiet = new AbortController();
    const delays = [...storm.fencedFor];
    let raging = true;
    const after = (): number => (raging ? (delays.pop() ?? calmSwitchOnMs) : calmSwitchOnMs);
    const watching = switchOn(site, after, say, AbortSignal.any([quiet.signal, this.signal]));
    try {
      this.#struck.push(...(await rage(site, storm, say, this.signal)));
      raging = false;
      await tidy(site);
      const found = await this.#calm();
      return found.length > 0 || storm.absent === undefined ? found : await this.#absence(storm.absent);
    } finally {
      quiet.abort();
      await watching;
    }
  }

  async #absence(draw: number): Promise<readonly string[]> {
    // The stock agent may need an operator for that.
    if (this.options.agent === 'stock') return [];
    const { ms, violation } = await withoutOne(this.site, draw, this.say);
    this.#absences.push(ms);
    this.#struck.push(draw < 0.6 ? 'power primary' : 'power standby');
    return violation === undefined ? this.#calm() : [violation, ...(await this.#lookAnyway())];
  }

  async #calm(): Promise<readonly string[]> {
    const { site, options, say } = this;
    say('calm');
    const { ms, violation } = await untilHealthy(site, options.agent, say);
    this.#recoveries.push(ms);
    if (violation !== undefined) return [violation, ...(await this.#lookAnyway())];
    const found = await violations(site, options.agent);
    const acknowledged = site.writers.acknowledged().length;
    if (found.length === 0) say(`healthy, and all ${acknowledged} acknowledged rows are there`);
    return found;
  }

  /** What else is wrong with a cluster that has not recovered; it may not answer. */
  async #lookAnyway(): Promise<readonly string[]> {
    try {
      return await violations(this.site, this.options.agent);
    } catch (error) {
      this.say(`  (it could not be looked at further: ${messageOf(error)})`);
      return [];
    }
  }

  get #perMinute(): number {
    const elapsed = (machineClock() - this.#start) / minuteMs;
    return Math.round((this.#struck.length / elapsed) * 10) / 10;
  }

  figures(): Readonly<Record<string, unknown>> {
    const { seed, minutes, agent, fencing, plant } = this.options;
    const { records } = this.site.writers;
    const acknowledged = this.site.writers.acknowledged();
    const elapsed = (machineClock() - this.#start) / minuteMs;
    const count = (kind: string): number => records.filter((record) => record.kind === kind).length;
    return {
      ...{ torture: 'pgcm', seed, minutes, agent, fencing, ...(plant === undefined ? {} : { plant }) },
      ...{ elapsed_minutes: Math.round(elapsed * 10) / 10, faults: this.#struck.length },
      faults_per_minute: this.#perMinute,
      kinds: new Set(this.#struck).size,
      ...{ acknowledged: acknowledged.length, refused: count('refused'), warned: count('warned') },
      primaries: reignsOf(acknowledged).length,
      longest_stall_ms: Math.round(longestStall(acknowledged)),
      recoveries_ms: this.#recoveries.map(Math.round),
      without_one_ms: this.#absences.map(Math.round),
    };
  }
}
