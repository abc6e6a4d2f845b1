import { events, type EventName } from '../domain/events.js';
import type { Fields, Log } from '../domain/log.js';

/** What the publisher says: who is primary, and each distinct trouble once. */
export class PublisherTeller {
  readonly #log: Log;
  #primary: string | undefined;
  #lastTrouble = '';

  constructor(log: Log) {
    this.#log = log;
  }

  primary(name: string): void {
    if (this.#primary === name) return;
    this.#log.info(events.nodeChange, { node: name, previous: this.#primary });
    this.#primary = name;
  }

  trouble(event: EventName, error: string, fields: Fields): void {
    if (this.#lastTrouble === error) return;
    this.#lastTrouble = error;
    this.#log.warn(event, { error, ...fields });
  }

  recovered(): void {
    if (this.#lastTrouble === '') return;
    this.#log.info(events.publishRecovered, { node: this.#primary, after: this.#lastTrouble });
    this.#lastTrouble = '';
  }
}
