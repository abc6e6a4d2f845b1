/** What the samplers saw of who takes writes, and whether there were two at once. Pure. */

export interface SamplerConfig {
  readonly intervalMs: number;
  /** It ends by itself after this time, whatever became of the driver. */
  readonly seconds: number;
}

/** Times are milliseconds on the machine's monotonic clock. */
export interface Sample {
  readonly kind: 'sample';
  readonly asked: number;
  readonly answered: number;
  /** Of a PostgreSQL that is not in recovery; absent for a standby and for one that does not answer. */
  readonly timeline?: number;
}

export type SamplerRecord = Sample | { readonly kind: 'ended' };

/** A time in which this node was certainly a primary on this timeline. */
export interface Reign {
  readonly node: string;
  readonly timeline: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Samples of the same timeline one after the other make a reign. It is certain from the first answer to
 * when the last question was asked: what is true of an answer was true some time before it.
 */
export function reignsOf(node: string, samples: readonly Sample[]): readonly Reign[] {
  const reigns: Reign[] = [];
  let previous: Sample | undefined;
  for (const sample of samples) {
    const { timeline, asked, answered } = sample;
    const current = previous?.timeline === timeline ? reigns.pop() : undefined;
    if (timeline !== undefined) {
      reigns.push(
        current === undefined
          ? { node, timeline, from: answered, to: Math.max(asked, answered) }
          : { ...current, to: Math.max(current.to, asked) },
      );
    } else if (current !== undefined) reigns.push(current);
    previous = sample;
  }
  return reigns;
}

/** @returns one sentence for each two primaries at once, and for each timeline that two nodes wrote */
export function doublePrimaries(samples: ReadonlyMap<string, readonly Sample[]>): readonly string[] {
  const reigns = [...samples].flatMap(([node, list]) => reignsOf(node, list));
  return reigns.flatMap((one, index) =>
    reigns.slice(index + 1).flatMap((other) => {
      if (one.node === other.node) return [];
      const both = `${one.node} on timeline ${one.timeline} and ${other.node} on timeline ${other.timeline}`;
      if (one.timeline === other.timeline) return [`${both} wrote the same timeline`];
      const overlap = Math.min(one.to, other.to) - Math.max(one.from, other.from);
      return overlap > 0 ? [`${both} were primary at once for ${Math.round(overlap)} ms`] : [];
    }),
  );
}
