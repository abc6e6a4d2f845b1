import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '../domain/address.js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { TimelineSwitch } from '../domain/postgres.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import {
  INSUFFICIENT_PRIVILEGE,
  missingRight,
  placeOf,
  sqlState,
  withConnection,
  type Connection,
  type PostgresOptions,
} from './connection.js';
import { parsePosition } from '../domain/wal-position.js';

/** A primary, and the switches that led to the timeline that it writes, oldest first. */
export interface PrimaryHistory {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly history: readonly TimelineSwitch[];
}

/** The first timeline has no history file. */
const FIRST = 1;

const UNDEFINED_FUNCTION = '42883';
const INVALID_SCHEMA = '3F000';

/** What docs/install.md has the operator create; it reads the one file and nothing else. */
const FUNCTION = 'pgcm.timeline_history()';

/**
 * Asks a running primary, over TCP, for its timeline's history. Reading a server's files as a role, and
 * the replication protocol's TIMELINE_HISTORY, both take a right to read everything there; so this asks a
 * function of the superuser's, to which the role has EXECUTE. A role that may use pg_read_file needs none.
 *
 * @throws PgcmError `refused` when the role lacks the right, or this is no primary; `unavailable` ...
 */
export async function readPrimaryHistory(
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<PrimaryHistory> {
  const what = placeOf(options);
  return withConnection(options, options.timeout, signal, async (connection) => {
    const [row] = await connection.query(
      `SELECT (SELECT system_identifier FROM pg_control_system())::text AS system_identifier,
              CASE WHEN NOT pg_is_in_recovery()
                   THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
              END AS timeline`,
    );
    const timeline = row?.['timeline'];
    if (typeof timeline !== 'number') {
      throw new PgcmError('refused', `${what} is in recovery: it is not the primary, or not yet`, {
        retryable: true,
      });
    }
    const text = timeline === FIRST ? '' : await historyFile(connection, timeline, what);
    return {
      systemIdentifier: String(row?.['system_identifier']),
      timeline,
      history: parseTimelineHistory(text, timeline, what),
    };
  });
}

async function historyFile(connection: Connection, timeline: number, what: string): Promise<string> {
  try {
    return textOf(await connection.query(`SELECT ${FUNCTION} AS content`));
  } catch (error) {
    if (![UNDEFINED_FUNCTION, INVALID_SCHEMA, INSUFFICIENT_PRIVILEGE].includes(sqlState(error) ?? ''))
      throw error;
  }
  const file = `pg_wal/${historyName(timeline)}`;
  try {
    return textOf(await connection.query('SELECT pg_read_file($1) AS content', [file]));
  } catch (error) {
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw missingRight(
      what,
      `its timeline history cannot be read`,
      `create ${FUNCTION} there and grant EXECUTE on it, as docs/install.md says`,
      error,
    );
  }
}

function textOf(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const content = rows[0]?.['content'];
  return typeof content === 'string' ? content : '';
}

/**
 * The same from the history file in a data directory, also of a server that is not running; undefined
 * when there is no such file.
 */
export async function readLocalHistory(
  dataDirectory: string,
  timeline: number,
  timeout: Milliseconds,
  signal: AbortSignal,
): Promise<readonly TimelineSwitch[] | undefined> {
  if (timeline === FIRST) return [];
  const file = join(dataDirectory, 'pg_wal', historyName(timeline));
  return runWithDeadline(file, timeout, signal, async (on) => {
    try {
      return parseTimelineHistory(await readFile(file, { encoding: 'utf8', signal: on }), timeline, file);
    } catch (error) {
      if (error instanceof PgcmError) throw error;
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw new PgcmError('unavailable', `${file}: ${describeError(error)}`, { cause: error });
    }
  });
}

function historyName(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`;
}

/**
 * The content of NNNNNNNN.history: a parent timeline and a position in each line, and the reason, which
 * is for people. The parents increase up to the one before `timeline`.
 *
 * @throws PgcmError `invalid-answer`, also for an empty file of any timeline but the first
 */
export function parseTimelineHistory(
  text: string,
  timeline: number,
  from: string,
): readonly TimelineSwitch[] {
  const bad = (why: string): PgcmError =>
    new PgcmError('invalid-answer', `${from}: the history of timeline ${timeline}: ${why}`);
  const switches: TimelineSwitch[] = [];
  for (const line of text.split('\n')) {
    // PostgreSQL skips these, too.
    if (/^\s*(#|$)/.test(line)) continue;
    const [, parent = '', at = ''] = /^\s*(\d+)\s+(\S+)/.exec(line) ?? [];
    const position = parsePosition(at);
    if (parent === '' || position === undefined) throw bad(`${quote(line)} is not understood`);
    const last = switches.at(-1)?.timeline ?? 0;
    if (Number(parent) <= last || Number(parent) >= timeline) throw bad(`${quote(line)} is out of order`);
    switches.push({ timeline: Number(parent), position });
  }
  if (switches.length === 0 && timeline !== FIRST) throw bad('it is empty');
  return switches;
}
