import type { PublishedTopology } from './switchover.js';

/**
 * Why `next` may not be published over `published`: a view of the cluster is never replaced by an older
 * one, however late its writer comes. Undefined when it may.
 *
 * System identifiers begin with the time of initdb, so a larger one is a newer cluster. Within one timeline
 * there is one primary: a second one that says so too is not believed while the first is up.
 */
export function refusalToPublish(
  next: PublishedTopology,
  published: PublishedTopology | undefined,
): string | undefined {
  if (published === undefined) return undefined;
  const [identifier, other] = [BigInt(next.systemIdentifier), BigInt(published.systemIdentifier)];
  if (identifier < other) {
    return `the topology of a newer cluster is published (system identifier ${other}, not ${identifier})`;
  }
  if (identifier > other) return undefined;
  if (next.timeline < published.timeline) {
    return `timeline ${published.timeline} is published, which is later than ${next.timeline}`;
  }
  const sameTimeline = next.timeline === published.timeline;
  const bothUp = next.primary.state === 'up' && published.primary.state === 'up';
  if (sameTimeline && bothUp && next.primary.name !== published.primary.name) {
    return `${published.primary.name} is published as the primary of the same timeline ${next.timeline}, and it is up`;
  }
  return undefined;
}
