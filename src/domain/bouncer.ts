import type { Milliseconds } from './time.js';

/**
 * server_login_retry, in seconds, while clients are paused. One failed login makes PgBouncer answer
 * with errors, or let clients wait, until server_login_retry (15 s by default) has passed, even when the
 * server is long back: a switchover makes logins fail, so the wait has to be short then.
 */
export const LOGIN_RETRY_WHILE_PAUSED = '0.1';

export type PoolMode = 'session' | 'transaction' | 'statement';

/** What a pause holds: these databases, or every one, also those that are made from `*` later. */
export type PauseScope = 'all' | readonly string[];

/** One entry of PgBouncer's SHOW DATABASES, without the admin console's own `pgbouncer`. */
export interface BouncerDatabase {
  readonly name: string;
  /** Where its connections go; undefined for a unix socket (no host= in the ini). */
  readonly host: string | undefined;
  readonly port: number;
  /** By a PAUSE of this database; a PAUSE of all shows nowhere. */
  readonly paused: boolean;
  /** Its own; undefined: as the setting pool_mode says. */
  readonly poolMode?: PoolMode | undefined;
}

/** One row of SHOW POOLS, without the admin console's own: the clients of one user on one database. */
export interface BouncerPool {
  readonly database: string;
  readonly user: string;
  readonly clientsWaiting: number;
  /** Connections to the server that work, in use or not. */
  readonly servers: number;
  /** Of the one that waits longest now. */
  readonly longestWait: Milliseconds;
  readonly poolMode: PoolMode | undefined;
}

/**
 * One PgBouncer process, through its admin console. Calls do not wait for each other: a command that
 * hangs must not hold up the next one.
 *
 * Errors: `unavailable` when the console cannot be reached, `refused` when PgBouncer says no,
 * `timed-out`, `aborted`.
 */
export interface Bouncer {
  /** Its socket, for messages: `/var/run/postgresql/.s.PGSQL.6432`. */
  readonly name: string;

  databases(signal: AbortSignal): Promise<readonly BouncerDatabase[]>;

  pools(signal: AbortSignal): Promise<readonly BouncerPool[]>;

  /**
   * PAUSE: returns when no transaction is open any more and new statements wait. Already paused is
   * done, and so is a database that it does not have: nobody is there to wait. When the wait ends before
   * (signal or timeout), the pause is taken back before this throws: PgBouncer itself would stay paused
   * after the console connection is gone.
   */
  pause(scope: PauseScope, signal: AbortSignal): Promise<void>;

  /**
   * PAUSE without a wait for its answer: new statements wait when this returns, and transactions may still be
   * open. For clients whose server is gone, and on which a PAUSE would wait in vain.
   */
  hold(scope: PauseScope, signal: AbortSignal): Promise<void>;

  /** RESUME of everything that is paused, by whomever; says whether anything was. */
  resume(signal: AbortSignal): Promise<'resumed' | 'was-not-paused'>;

  /** RELOAD. It says yes also to a broken file: verify with `databases`. */
  reload(signal: AbortSignal): Promise<void>;

  /** The value of one setting, from SHOW CONFIG. */
  setting(name: string, signal: AbortSignal): Promise<string>;

  /** SET name='value'. Lasts until the next RELOAD. */
  set(name: string, value: string, signal: AbortSignal): Promise<void>;
}
