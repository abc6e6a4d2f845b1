/**
 * server_login_retry, in seconds, while clients are paused. One failed login makes PgBouncer answer
 * with errors, or let clients wait, until server_login_retry (15 s by default) has passed, even when the
 * server is long back: a switchover makes logins fail, so the wait has to be short then.
 */
export const LOGIN_RETRY_WHILE_PAUSED = '0.1';

/** One entry of PgBouncer's SHOW DATABASES, without the admin console's own `pgbouncer`. */
export interface BouncerDatabase {
  readonly name: string;
  /** Where its connections go; undefined for a unix socket (no host= in the ini). */
  readonly host: string | undefined;
  readonly port: number;
  readonly paused: boolean;
}

/**
 * One PgBouncer process, through its admin console. Every call opens its own console connection and
 * closes it, also on failure: a command that hangs must not hold up the next one.
 *
 * Errors: `unavailable` when the console cannot be reached, `refused` when PgBouncer says no,
 * `timed-out`, `aborted`.
 */
export interface Bouncer {
  /** Its socket, for messages: `/var/run/postgresql/.s.PGSQL.6432`. */
  readonly name: string;

  databases(signal: AbortSignal): Promise<readonly BouncerDatabase[]>;

  /**
   * PAUSE: returns when no transaction is open any more and new statements wait. Already paused is
   * done. When the wait ends before (signal or timeout), the pause is taken back before this throws:
   * PgBouncer itself would stay paused after the console connection is gone.
   */
  pause(signal: AbortSignal): Promise<void>;

  /** RESUME; says whether it was paused at all. */
  resume(signal: AbortSignal): Promise<'resumed' | 'was-not-paused'>;

  /** RELOAD. It says yes also to a broken file: verify with `databases`. */
  reload(signal: AbortSignal): Promise<void>;

  /** The value of one setting, from SHOW CONFIG. */
  setting(name: string, signal: AbortSignal): Promise<string>;

  /** SET name='value'. Lasts until the next RELOAD. */
  set(name: string, value: string, signal: AbortSignal): Promise<void>;
}
