import { pino, type DestinationStream, type Logger } from 'pino';
import type { EventName } from '../domain/events.js';
import type { Fields, Log } from '../domain/log.js';
import { toLogfmt } from './logfmt.js';

export interface LogOptions {
  /** Where whole lines go, each ending in a newline. */
  readonly write: (line: string) => void;
  readonly format: 'logfmt' | 'json';
}

/**
 * pgcm's log: one line an event, with `ts`, `level`, `event`, `msg` and the event's own fields.
 * logfmt for a person at a terminal, JSON for everything else.
 */
export function createLog({ write, format }: LogOptions): Log {
  const stream: DestinationStream = {
    write: format === 'json' ? write : (line) => write(`${toLogfmt(JSON.parse(line))}\n`),
  };
  const logger = pino(
    {
      base: null,
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return wrap(logger, {});
}

/** The fields of `with` are merged here: pino would write a name that is given twice two times. */
function wrap(logger: Logger, common: Fields): Log {
  const at =
    (level: 'info' | 'warn' | 'error') =>
    (event: EventName, fields: Fields = {}, msg?: string): void =>
      logger[level]({ event, ...plain({ ...common, ...fields }) }, msg);
  return {
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (fields) => wrap(logger, { ...common, ...fields }),
  };
}

/** JSON has no bigint, and an undefined field is left out. */
function plain(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === 'bigint' ? exact(value) : value]),
  );
}

/** A number while JSON can hold it; beyond 2^53 text, rather than a revision that was never there. */
function exact(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}
