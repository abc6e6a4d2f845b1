import type { RouteView } from './route-view.js';
import type { Milliseconds } from './time.js';

/** One `[[output]]` of the TOML file. */
export interface OutputSettings {
  readonly name: string;
  readonly template: string;
  readonly file: string;
  /** `USER` or `USER:GROUP`; empty: as the file has it. */
  readonly owner: string;
  /** Undefined: as the file has it. */
  readonly mode: number | undefined;
  /** A program and its arguments, `{file}` in them being the new file; empty: none. */
  readonly check: readonly string[];
  /** The same, `{file}` being the file. */
  readonly reload: readonly string[];
  /** For each of these two, and for reading the template. */
  readonly timeout: Milliseconds;
}

/** A file of another program that follows the route, as PgBouncer's does. */
export interface Output {
  /** For messages. */
  readonly name: string;

  /** Whether nothing is to be done for this view. The disk is not looked at. */
  isCurrent(view: RouteView): boolean;

  /**
   * Renders the template; if that changes the file, has the new one checked, replaces it, and tells the program. The old
   * file stays as it is when anything before that fails; that the program was not told is not forgotten.
   * @throws PgcmError `bad-template`, `refused` by the check, `unavailable`, `timed-out`, `aborted`
   */
  apply(view: RouteView, signal: AbortSignal): Promise<AppliedOutput>;
}

export interface AppliedOutput {
  readonly outcome: 'written' | 'unchanged';
  /** The program was told. */
  readonly reloaded: boolean;
  /** Why the template that is on the disk now was not used, but an earlier state of it. */
  readonly staleTemplate: string | undefined;
}
