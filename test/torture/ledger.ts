import type { Acknowledged } from './records.js';

/** What acknowledgements say of the cluster that gave them. Pure. */

/** @returns the acknowledgements whose rows are not there */
export function lost(
  acknowledged: readonly Acknowledged[],
  rows: ReadonlySet<number>,
): readonly Acknowledged[] {
  return acknowledged.filter(({ id }) => !rows.has(id));
}

/**
 * Two primaries that acknowledged: on one timeline, or on an older one after a newer one's first. What was sent before
 * that may have been answered late.
 * @returns one sentence for each
 */
export function conflicts(acknowledged: readonly Acknowledged[]): readonly string[] {
  const reigns = reignsOf(acknowledged);
  const timelines = [...new Set(reigns.map(({ timeline }) => timeline))];
  const shared = timelines.flatMap((timeline) => {
    const servers = reigns.filter((reign) => reign.timeline === timeline).map(({ server }) => server);
    return servers.length > 1 ? [`${servers.join(' and ')} acknowledged on timeline ${timeline}`] : [];
  });
  const late = reigns.flatMap((older) => {
    const newer = reigns
      .filter(({ timeline }) => timeline > older.timeline)
      .sort((a, b) => a.firstDone - b.firstDone)[0];
    if (newer === undefined || older.lastSent <= newer.firstDone) return [];
    const ms = Math.round(older.lastSent - newer.firstDone);
    return [
      `${older.server} on timeline ${older.timeline} acknowledged what was sent ${ms} ms after ` +
        `${newer.server} had acknowledged on timeline ${newer.timeline}`,
    ];
  });
  return [...shared, ...late];
}

/** Who acknowledged on which timeline, and when. */
export interface Reign {
  readonly server: string;
  readonly timeline: number;
  readonly firstDone: number;
  readonly lastSent: number;
}

/** In the order of their first acknowledgements. */
export function reignsOf(acknowledged: readonly Acknowledged[]): readonly Reign[] {
  const found = new Map<string, Reign>();
  for (const { server, timeline, sent, done } of acknowledged) {
    const key = `${timeline} ${server}`;
    const known = found.get(key);
    found.set(key, {
      ...{ server, timeline },
      firstDone: Math.min(known?.firstDone ?? done, done),
      lastSent: Math.max(known?.lastSent ?? sent, sent),
    });
  }
  return [...found.values()].sort((a, b) => a.firstDone - b.firstDone);
}

/** The longest time between two acknowledgements of anybody, in milliseconds. */
export function longestStall(acknowledged: readonly Acknowledged[]): number {
  const times = acknowledged.map(({ done }) => done).sort((a, b) => a - b);
  return times.slice(1).reduce((longest, at, index) => Math.max(longest, at - (times[index] ?? at)), 0);
}
