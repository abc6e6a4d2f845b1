import type { Address } from './address.js';
import type { PauseScope } from './bouncer.js';

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
   * The databases that follow the primary, whoever that is: what a pause has to hold. `all` where `*`
   * does, and where the entries are not in sight.
   */
  readonly follows: PauseScope;

  /**
   * Renders the template for this address and replaces the file if that changes it. The old file stays
   * as it is when anything fails.
   * @throws PgcmError `unavailable`, `timed-out`, `aborted`
   */
  write(address: Address, signal: AbortSignal): Promise<WrittenConfig>;
}
