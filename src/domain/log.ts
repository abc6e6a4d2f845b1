import type { EventName } from './events.js';

/** What may stand in a log line beside `ts`, `event` and `msg`. */
export type Fields = Readonly<
  Record<string, string | number | boolean | bigint | readonly string[] | undefined>
>;

/** The port through which everything logs. An event names what happened, `msg` says it to a person. */
export interface Log {
  info(event: EventName, fields?: Fields, msg?: string): void;
  warn(event: EventName, fields?: Fields, msg?: string): void;
  error(event: EventName, fields?: Fields, msg?: string): void;
  /** The same log with these fields on every line. */
  with(fields: Fields): Log;
}
