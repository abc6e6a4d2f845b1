import { messageOf } from '../../playground/errors.js';
import type { PlannedFault } from './course.js';
import type { Site } from './site.js';

/** A fault that has struck. */
export interface Struck {
  /** Whom, in words. */
  readonly whom: string;
  /** Ends it when its time has come; not there for what ends by itself. */
  readonly end?: () => Promise<string | undefined>;
}

/** They lose power at once, and come back one after the other, each after its own part of the time, in any order. */
export async function power(
  site: Site,
  names: readonly (string | undefined)[],
  { draws }: PlannedFault,
): Promise<Struck | undefined> {
  const victims = names.filter((name) => name !== undefined);
  if (victims.length === 0) return undefined;
  const { playground } = site.cluster;
  for (const victim of victims) site.held.add(victim);
  await Promise.all(victims.map((victim) => playground.kill(victim)));
  const order = victims
    .map((name, index) => ({ name, draw: draws[index + 1] ?? 0 }))
    .sort((a, b) => a.draw - b.draw);
  return {
    whom: victims.join(', '),
    end: async () => {
      for (const [index, { name, draw }] of order.entries()) {
        if (index > 0) await site.wait(draw * 3_000);
        await playground.start(name).catch((error: unknown) => site.complain(messageOf(error)));
        site.held.delete(name);
      }
      return `${order.map(({ name }) => name).join(', then ')} on again`;
    },
  };
}
