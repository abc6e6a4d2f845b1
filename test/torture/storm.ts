import { machineClock } from '../../bench/clock.js';
import { messageOf } from '../../playground/errors.js';
import type { PlannedFault, Storm } from './course.js';
import { freeDisk, thawAll } from './inside-host.js';
import type { FaultKind } from './kinds.js';
import type { Site } from './site.js';
import { strike } from './strikes.js';
import { seconds } from './timeline.js';

const lookMs = 300;

/** Lets a storm's faults strike at their moments, each for its time. @returns the kinds that struck */
export async function rage(
  site: Site,
  { number, faults }: Storm,
  say: (what: string) => void,
  signal: AbortSignal,
): Promise<readonly FaultKind[]> {
  say(`storm ${number}: ${faults.length} faults`);
  const start = machineClock();
  const struck = await Promise.all(
    faults.map(async (fault) => {
      await site.wait(Math.max(0, start + fault.at - machineClock()));
      return one(site, fault, say, signal);
    }),
  );
  return struck.flatMap((kind) => kind ?? []);
}

async function one(
  site: Site,
  fault: PlannedFault,
  say: (what: string) => void,
  signal: AbortSignal,
): Promise<FaultKind | undefined> {
  const { kind, lasts } = fault;
  const struck = await strike(site, fault, say, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    site.complain(`${kind}: ${messageOf(error)}`);
    return undefined;
  });
  if (struck === undefined) {
    say(`${kind}: nobody to strike`);
    return undefined;
  }
  say(`${kind}: ${struck.whom}${struck.end === undefined ? '' : `, for ${seconds(lasts)}`}`);
  if (struck.end === undefined) return kind;
  await site.wait(lasts);
  const how = await struck.end();
  if (how !== undefined) say(`  ${how}`);
  return kind;
}

/** Switches hosts on that are off and held by no fault: the cluster has fenced them. Until it is told to stop. */
export async function switchOn(
  site: Site,
  after: () => number,
  say: (what: string) => void,
  stop: AbortSignal,
): Promise<void> {
  const due = new Map<string, number>();
  while (!stop.aborted) {
    const now = machineClock();
    for (const { name, power, reason } of await site.hosts()) {
      if (power !== 'off' || site.held.has(name)) due.delete(name);
      else if (!due.has(name)) {
        due.set(name, now + after());
        say(`  ${name} is off (${reason ?? 'not known why'})`);
      }
    }
    for (const [name, at] of due) {
      if (at > now) continue;
      due.delete(name);
      await site.cluster.playground.start(name).then(
        () => say(`  ${name} switched on`),
        (error: unknown) => site.complain(messageOf(error)),
      );
    }
    await site.wait(lookMs).catch(() => undefined);
  }
}

/** What a storm may have left when hosts were off while their fault was to end. */
export async function tidy(site: Site): Promise<void> {
  for (const { name, cable } of await site.hosts()) {
    if (cable === 'cut') await site.cluster.playground.heal(name);
  }
  for (const node of await site.nodes()) {
    await freeDisk(site, node);
    await thawAll(site, node);
  }
}
