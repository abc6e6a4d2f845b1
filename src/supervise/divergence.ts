import type { ControlFile, TimelineSwitch } from '../domain/postgres.js';

/** What is known of an old primary's data, and of the primary that it is to follow. */
export interface Evidence {
  readonly control: ControlFile;
  /** The switches that led to the old primary's own timeline; undefined when its history file is missing. */
  readonly ownHistory: readonly TimelineSwitch[] | undefined;
  readonly primary: {
    readonly systemIdentifier: string;
    readonly timeline: number;
    /** The switches that led to its timeline, oldest first. */
    readonly history: readonly TimelineSwitch[];
  };
}

/** The first timeline has no history file. */
const FIRST = 1;

/** Why it is not proven that an old primary may follow the new one, and what helps. */
export interface Doubt {
  readonly why: string;
  /** rewind: pg_rewind finds where they parted. copy: it would not, or there is nothing in common. */
  readonly remedy: 'rewind' | 'copy';
  /** It may still be about to stop in order. */
  readonly passing: boolean;
}

/**
 * Undefined when it is proven that the old primary's data are a part of the new primary's past. The
 * proof: it stopped in order, so its last record is the checkpoint that its control file names; both have
 * written the same timeline, reached in the same way; and the new primary left that timeline behind that
 * record. So the new primary has had every record that the old one wrote.
 */
export function doubt({ control, ownHistory, primary }: Evidence): Doubt | undefined {
  const copy = (why: string): Doubt => ({ why, remedy: 'copy', passing: false });
  if (control.systemIdentifier !== primary.systemIdentifier) {
    return copy(
      `its system identifier is ${control.systemIdentifier}, the primary's is ${primary.systemIdentifier}: they are two different clusters`,
    );
  }
  if (control.state !== 'shut down') {
    const why = `it did not stop in order: its control file says "${control.state}", so it may hold records that nobody else has`;
    return { why, remedy: 'rewind', passing: !control.state.startsWith('shut down') };
  }
  const left = primary.history.findIndex(({ timeline }) => timeline === control.timeline);
  const leaving = primary.history[left];
  if (leaving === undefined) {
    return copy(
      `its timeline ${control.timeline} is not among those that led to the primary's timeline ${primary.timeline} (${timelines(primary.history)})`,
    );
  }
  const differs = differentPast(control.timeline, ownHistory, primary.history.slice(0, left));
  if (differs !== undefined) return copy(differs);
  if (control.checkpoint >= leaving.position) {
    const why = `its last checkpoint is at ${position(control.checkpoint)}, and the primary left timeline ${control.timeline} at ${position(leaving.position)}: it holds records that the primary never had`;
    return { why, remedy: 'rewind', passing: false };
  }
  return undefined;
}

/** Two timelines may bear the same number and have begun at different places: a restart here, a promotion there. */
function differentPast(
  timeline: number,
  own: readonly TimelineSwitch[] | undefined,
  primarys: readonly TimelineSwitch[],
): string | undefined {
  if (timeline === FIRST) return undefined;
  if (own === undefined) {
    return `the history file of its timeline ${timeline} is missing, so it is not known whether it is the primary's timeline ${timeline}`;
  }
  const same =
    own.length === primarys.length &&
    own.every((one, i) => one.timeline === primarys[i]?.timeline && one.position === primarys[i].position);
  if (same) return undefined;
  return `its timeline ${timeline} began elsewhere than the primary's (${timelines(own)}, and ${timelines(primarys)})`;
}

function timelines(history: readonly TimelineSwitch[]): string {
  return (
    history.map(({ timeline, position: at }) => `${timeline} until ${position(at)}`).join(', ') || 'none'
  );
}

/** As PostgreSQL writes a WAL position. */
function position(value: bigint): string {
  return `${(value >> 32n).toString(16)}/${(value & 0xffff_ffffn).toString(16)}`.toUpperCase();
}
