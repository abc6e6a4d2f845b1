/** How soon proxies apply new routes, and acknowledge them. Pure. Times are milliseconds on the machine's clock. */

/** A new route that was published. */
export interface Put {
  readonly revision: number;
  readonly at: number;
  /** Others followed at once: a proxy may pass it over for a newer one. */
  readonly inBurst: boolean;
}

/** A proxy was seen to be on the route of this revision. */
export interface Sighting {
  readonly proxy: string;
  readonly revision: number;
  readonly at: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface RouteFigures {
  readonly proxies: number;
  readonly puts: number;
  /** From the put of a new route until a proxy's bouncer was seen to lead there, over all puts and proxies. */
  readonly applied_ms: Percentiles;
  /** Until the proxy's acknowledgement was seen in etcd. */
  readonly acked_ms: Percentiles;
  /** Routes that a proxy had neither applied nor passed over for a newer one within the limit. */
  readonly missed: number;
  /** An older route was applied, or acknowledged, after a newer one. */
  readonly reordered: number;
  readonly rss_mb: number;
}

export interface RouteRun {
  readonly proxies: readonly string[];
  readonly puts: readonly Put[];
  readonly applied: readonly Sighting[];
  readonly acked: readonly Sighting[];
  readonly limitMs: number;
  readonly rssMb: number;
}

export function routeFigures({ proxies, puts, applied, acked, limitMs, rssMb }: RouteRun): RouteFigures {
  const of = (sightings: readonly Sighting[]): Delays => delays(proxies, puts, sightings, limitMs);
  const [toApplied, toAcked] = [of(applied), of(acked)];
  return {
    proxies: proxies.length,
    puts: puts.length,
    applied_ms: percentiles(toApplied.single),
    acked_ms: percentiles(toAcked.single),
    missed: Math.max(toApplied.missed, toAcked.missed),
    reordered: countReordered(applied) + countReordered(acked),
    rss_mb: Math.round(rssMb),
  };
}

interface Delays {
  /** Of the routes that were not put in a burst. */
  readonly single: readonly number[];
  readonly missed: number;
}

function delays(
  proxies: readonly string[],
  puts: readonly Put[],
  sightings: readonly Sighting[],
  limitMs: number,
): Delays {
  const own = byProxy(sightings);
  const single: number[] = [];
  let missed = 0;
  for (const put of puts) {
    for (const proxy of proxies) {
      const seen = own.get(proxy)?.find(({ revision }) => revision >= put.revision);
      if (seen === undefined || seen.at - put.at > limitMs) missed++;
      else if (!put.inBurst) single.push(seen.at - put.at);
    }
  }
  return { single, missed };
}

function countReordered(sightings: readonly Sighting[]): number {
  let count = 0;
  for (const own of byProxy(sightings).values()) {
    let newest = 0;
    for (const { revision } of own) {
      if (revision < newest) count++;
      newest = Math.max(newest, revision);
    }
  }
  return count;
}

function byProxy(sightings: readonly Sighting[]): ReadonlyMap<string, readonly Sighting[]> {
  const own = new Map<string, Sighting[]>();
  for (const sighting of sightings) {
    const known = own.get(sighting.proxy);
    if (known === undefined) own.set(sighting.proxy, [sighting]);
    else known.push(sighting);
  }
  for (const sorted of own.values()) sorted.sort((one, other) => one.at - other.at);
  return own;
}

/** By nearest rank, rounded to whole milliseconds; NaN (in JSON null) without any value. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
