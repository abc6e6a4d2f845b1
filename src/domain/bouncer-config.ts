import type { PauseScope } from './bouncer.js';
import type { RouteView } from './route-view.js';

/** Where the databases of a PgBouncer lead once it has read its config file. */
export interface Leads {
  /** The databases that the file sends to the primary, by name, with the host as the file writes it. */
  readonly databases: ReadonlyMap<string, string>;
  /** The host of `*`, the rule for every database without an entry, when it is the primary's. */
  readonly otherwise: string | undefined;
  /** Every name that has an entry, so that one made from `*` can be told from them. */
  readonly named: ReadonlySet<string>;
}

export interface WrittenConfig {
  readonly outcome: 'written' | 'unchanged';
  readonly leads: Leads;
  /** Why the template that is on the disk now was not used, but an earlier state of it. */
  readonly staleTemplate: string | undefined;
}

/** The config file of the PgBouncers, made from the site's template. */
export interface BouncerConfig {
  /** The file, for messages. */
  readonly name: string;

  /**
   * The databases that lead to the primary now: what a pause has to hold. `all` where `*` does, and where the
   * entries are not in sight. A read-only database is among them while it leads there for want of a standby.
   */
  readonly follows: PauseScope;

  /** Whether the file is what it would be made of this view. The disk is not looked at. */
  isCurrent(view: RouteView): boolean;

  /**
   * Renders the template and replaces the file if that changes it. The old file stays as it is when
   * anything fails.
   * @throws PgcmError `unavailable`, `timed-out`, `aborted`, `bad-template`
   */
  write(view: RouteView, signal: AbortSignal): Promise<WrittenConfig>;
}
