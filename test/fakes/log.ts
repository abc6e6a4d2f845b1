import type { EventName } from '../../src/domain/events.js';
import type { Fields, Log } from '../../src/domain/log.js';

export interface LogLine extends Record<string, unknown> {
  readonly level: string;
  readonly event: EventName;
  readonly msg: string | undefined;
}

/** A log that keeps its lines. */
export class FakeLog implements Log {
  readonly lines: LogLine[];
  readonly #fields: Fields;

  constructor(lines: LogLine[] = [], fields: Fields = {}) {
    this.lines = lines;
    this.#fields = fields;
  }

  info(event: EventName, fields: Fields = {}, msg?: string): void {
    this.#add('info', event, fields, msg);
  }

  warn(event: EventName, fields: Fields = {}, msg?: string): void {
    this.#add('warn', event, fields, msg);
  }

  error(event: EventName, fields: Fields = {}, msg?: string): void {
    this.#add('error', event, fields, msg);
  }

  with(fields: Fields): Log {
    return new FakeLog(this.lines, { ...this.#fields, ...fields });
  }

  of(event: EventName): readonly LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  #add(level: string, event: EventName, fields: Fields, msg: string | undefined): void {
    this.lines.push({ ...this.#fields, ...fields, level, event, msg });
  }
}
